// SPDX-License-Identifier: Apache-2.0
internal import CEpoll
internal import Glibc

/// A socket that accepts connections on an event loop.
///
/// One loop can accept for all and hand the sockets round, or each loop has a listening socket of
/// its own on the same address with `reusePort`.
public final class ListeningSocket: @unchecked Sendable {
  /// The address that is bound, with the port that was given for port 0.
  public let localAddress: SocketAddress
  private let loop: EventLoop
  // Of the loop's thread alone:
  private var descriptor: Int32
  private var registration: Int?
  private var accepted: ((Socket) -> Void)?
  private var pause: LoopTimer?

  /// Connections that wait in the kernel; more than these are turned away by it.
  private static let backlog: Int32 = 1024
  /// How long accepting rests when the process is out of descriptors; the kernel keeps the waiting.
  private static let exhaustedPause = Duration.milliseconds(100)

  /// Binds an address and listens; accepting begins with ``start(_:)``.
  ///
  /// Any thread.
  ///
  /// - Throws: `.system` where the address cannot be bound.
  public init(
    address: SocketAddress, reusePort: Bool = false, loop: EventLoop
  ) throws(TransportError) {
    self.loop = loop
    let descriptor = ce_socket(address.family)
    guard descriptor >= 0 else { throw .system("socket") }
    if let path = address.unixPath { ListeningSocket.removeStaleSocket(path, address) }
    Socket.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
    if reusePort { Socket.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
    guard address.withSockaddr({ bind(descriptor, $0, $1) }) == 0 else {
      let error = TransportError.system("bind to \(address)")
      Glibc.close(descriptor)
      throw error
    }
    guard listen(descriptor, ListeningSocket.backlog) == 0 else {
      let error = TransportError.system("listen on \(address)")
      Glibc.close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    if let path = address.unixPath {
      // Owner and group; the certificate decides who is served, as it does everywhere.
      chmod(path, 0o660)
      localAddress = address
      return
    }
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    _ = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    localAddress = SocketAddress(storage: storage, length: length)
  }

  deinit { closeDescriptor() }

  /// A socket file that nobody listens on is what a killed server has left.
  private static func removeStaleSocket(_ path: String, _ address: SocketAddress) {
    var about = stat()
    guard lstat(path, &about) == 0, about.st_mode & S_IFMT == S_IFSOCK else { return }
    let probe = ce_socket(AF_UNIX)
    guard probe >= 0 else { return }
    defer { Glibc.close(probe) }
    if address.withSockaddr({ connect(probe, $0, $1) }) != 0, errno == ECONNREFUSED { unlink(path) }
  }

  private func closeDescriptor() {
    guard descriptor >= 0 else { return }
    Glibc.close(descriptor)
    descriptor = -1
    if let path = localAddress.unixPath { unlink(path) }
  }

  /// Accepts from now on; `accepted` is called on the loop for each connection.
  ///
  /// Any thread.
  public func start(_ accepted: @escaping @Sendable (Socket) -> Void) {
    loop.execute { [self] in
      guard descriptor >= 0, registration == nil else { return }
      self.accepted = accepted
      registration = try? loop.register(self, descriptor: descriptor)
    }
  }

  /// Stops listening and closes the socket; connections that were accepted stay.
  ///
  /// Any thread.
  public func close() {
    loop.execute { [self] in closeNow() }
  }

  private func closeNow() {
    pause?.cancel()
    pause = nil
    accepted = nil
    if let registration { loop.unregister(registration, descriptor: descriptor) }
    registration = nil
    closeDescriptor()
  }

  private func rest() {
    guard let registration, pause == nil else { return }
    loop.watch(registration, descriptor: descriptor, readable: false, writable: false)
    pause = loop.schedule(after: ListeningSocket.exhaustedPause) { [weak self] in
      guard let self, let registration = self.registration else { return }
      self.pause = nil
      self.loop.watch(registration, descriptor: self.descriptor, readable: true, writable: false)
    }
  }
}

extension ListeningSocket: EventLoop.Source {
  func ready(readable: Bool, writable: Bool, failed: Bool) {
    if failed { return closeNow() }
    while descriptor >= 0 {
      var storage = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let connection = ce_accept(descriptor, &storage, &length)
      if connection < 0 {
        switch errno {
        case EINTR, ECONNABORTED: continue
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return rest()
        default: return
        }
      }
      if localAddress.unixPath == nil { Socket.configure(connection) }
      accepted?(
        Socket(
          descriptor: connection, peerAddress: SocketAddress(storage: storage, length: length)))
    }
  }
}
