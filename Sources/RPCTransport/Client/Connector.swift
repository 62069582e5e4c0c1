// SPDX-License-Identifier: Apache-2.0
internal import CEpoll
internal import Glibc

/// One attempt to open a connection: name, socket, TLS, HTTP/2; one address after the other.
///
/// State is of the loop's thread alone; ``connect()`` brings the result to a task.
final class Connector: @unchecked Sendable {
  /// What a host begins with that is the path of a Unix-domain socket.
  static let unixPrefix = "unix:"

  private let host: String
  private let port: Int
  private let tls: TLSContext
  private let configuration: ConnectionConfiguration
  private let loop: EventLoop
  private let delegate: (any ClientConnectionDelegate)?

  private var addresses: ArraySlice<SocketAddress> = []
  private var completion: CheckedContinuation<Result<ClientConnection, TransportError>, Never>?
  private var isCancelled = false
  private var descriptor: Int32 = -1
  private var registration: Int?
  private var timer: LoopTimer?
  private var opening: ClientConnection?

  init(
    host: String, port: Int, tls: TLSContext, configuration: ConnectionConfiguration,
    loop: EventLoop, delegate: (any ClientConnectionDelegate)?
  ) {
    self.host = host
    self.port = port
    self.tls = tls
    self.configuration = configuration
    self.loop = loop
    self.delegate = delegate
  }

  func connect() async throws(TransportError) -> ClientConnection {
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let accepted = loop.execute { [self] in
          completion = continuation
          begin()
        }
        if !accepted {
          continuation.resume(
            returning: .failure(TransportError(.connectionClosed, "the event loop has stopped")))
        }
      }
    } onCancel: {
      loop.execute { [self] in cancel() }
    }
    return try result.get()
  }

  private func begin() {
    guard !isCancelled else { return cancel() }
    if host.hasPrefix(Connector.unixPrefix) {
      do {
        addresses = [
          try SocketAddress(unixPath: String(host.dropFirst(Connector.unixPrefix.count)))
        ]
        return tryNext(after: nil)
      } catch {
        return complete(.failure(error))
      }
    }
    if let address = try? SocketAddress(host: host, port: port) {
      addresses = [address]
      return tryNext(after: nil)
    }
    do {
      // The resolver waits, so it waits on a thread of its own.
      try startThread(named: "massif-resolve") { [self] in
        let found = Result { () throws(TransportError) in
          try SocketAddress.lookUp(host: host, port: port, numericOnly: false)
        }
        loop.execute { [self] in resolved(found) }
      }
    } catch {
      complete(.failure(error))
    }
  }

  private func resolved(_ found: Result<[SocketAddress], TransportError>) {
    switch found {
    case .success(let list):
      addresses = list[...]
      tryNext(after: nil)
    case .failure(let error): complete(.failure(error))
    }
  }

  private func tryNext(after failure: TransportError?) {
    guard completion != nil else { return }
    guard let address = addresses.popFirst() else {
      let error = failure ?? TransportError(.nameResolution, "'\(host)' has no address")
      return complete(.failure(error))
    }
    descriptor = ce_socket(address.family)
    guard descriptor >= 0 else { return tryNext(after: .system("socket")) }
    if address.unixPath == nil { Socket.configure(descriptor) }
    let result = address.withSockaddr { Glibc.connect(descriptor, $0, $1) }
    if result == 0 { return connected() }
    guard errno == EINPROGRESS else { return abandon(.system("connect to \(address)")) }
    do {
      let registration = try loop.register(self, descriptor: descriptor)
      self.registration = registration
      loop.watch(registration, descriptor: descriptor, readable: false, writable: true)
    } catch {
      return abandon(error)
    }
    timer = loop.schedule(after: configuration.handshakeTimeout) { [weak self] in
      self?.abandon(TransportError(.timeout, "\(address) does not answer"))
    }
  }

  /// Gives the present address up and goes on with the next.
  private func abandon(_ error: TransportError) {
    release()
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    tryNext(after: error)
  }

  private func release() {
    timer?.cancel()
    timer = nil
    if let registration { loop.unregister(registration, descriptor: descriptor) }
    registration = nil
  }

  private func connected() {
    release()
    let taken = descriptor
    descriptor = -1
    let isUnix = host.hasPrefix(Connector.unixPrefix)
    // Behind a Unix-domain socket is this machine.
    let name = isUnix ? "localhost" : host
    let authority =
      isUnix ? name : host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    let connection = ClientConnection(loop: loop, authority: authority, delegate: delegate)
    opening = connection
    connection.open(
      descriptor: taken, tls: tls, serverName: name, configuration: configuration
    ) { [self] result in
      opening = nil
      complete(result)
    }
  }

  private func complete(_ result: Result<ClientConnection, TransportError>) {
    guard let completion else { return }
    self.completion = nil
    completion.resume(returning: result)
  }

  private func cancel() {
    isCancelled = true
    guard completion != nil else { return }
    release()
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    opening?.close()
    complete(.failure(TransportError(.cancelled, "connecting was cancelled")))
  }
}

extension Connector: EventLoop.Source {
  func ready(readable: Bool, writable: Bool, failed: Bool) {
    var failure: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &length)
    guard failure == 0, writable else {
      let why = String(cString: strerror(failure))
      return abandon(TransportError(.system, "connect to \(host):\(port): \(why)"))
    }
    connected()
  }
}
