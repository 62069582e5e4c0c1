// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2
internal import Synchronization

/// Hears of a connection's fate, on its loop.
public protocol ClientConnectionDelegate: AnyObject, Sendable {
  /// The connection takes no more calls; those that are open go on.
  func connectionDraining(_ connection: ClientConnection)
  /// The connection is gone, and every call of it was told.
  func connectionClosed(_ connection: ClientConnection, reason: TransportError)
}

/// A connection to a server.
///
/// Calls may be made from any thread or task.
///
/// The loop keeps it until it is closed, so who opens one closes it, with ``shutDown()`` or
/// ``close()``.
public final class ClientConnection: @unchecked Sendable {
  /// Whether calls can be made.
  public enum State: UInt8, Sendable {
    /// Calls can be made.
    case ready
    /// The server or this end has asked for an end; open calls go on.
    case draining
    /// Gone.
    case closed
  }

  /// The loop that it lives on.
  public let loop: EventLoop
  /// What calls it: the authority of its calls.
  public let authority: String
  private let delegate: (any ClientConnectionDelegate)?
  private let stateValue = Atomic<UInt8>(State.ready.rawValue)
  private let openCallCount = Atomic<Int>(0)
  // Of the loop's thread alone:
  private var connection: HTTP2Connection?
  private var opened: ((Result<ClientConnection, TransportError>) -> Void)?
  private var goAway: TransportError?
  private(set) var serverCertificate: PeerCertificate?

  /// What calls of this library say who they are.
  static let userAgent = "massif-swift/1.0"

  /// Opens a connection: resolves the name, connects, proves and verifies certificates, and waits
  /// for the server's HTTP/2 settings, so that a server that refuses this client is known here.
  ///
  /// - Parameters:
  ///   - host: a name or an address, which the server's certificate must hold; or `unix:` and the
  ///     path of a Unix-domain socket, behind which a certificate for `localhost` is expected.
  ///   - delegate: hears of the connection's end, once it is open.
  /// - Throws: what failed; `.cancelled` where the task was cancelled.
  public static func connect(
    host: String, port: Int, tls: TLSContext,
    configuration: ConnectionConfiguration = ConnectionConfiguration(), loop: EventLoop,
    delegate: (any ClientConnectionDelegate)? = nil
  ) async throws(TransportError) -> ClientConnection {
    let connector = Connector(
      host: host, port: port, tls: tls, configuration: configuration, loop: loop,
      delegate: delegate)
    return try await connector.connect()
  }

  init(loop: EventLoop, authority: String, delegate: (any ClientConnectionDelegate)?) {
    self.loop = loop
    self.authority = authority
    self.delegate = delegate
  }

  /// Takes over a connected socket.
  ///
  /// Loop only.
  func open(
    descriptor: Int32, tls: TLSContext, serverName: String, configuration: ConnectionConfiguration,
    _ opened: @escaping (Result<ClientConnection, TransportError>) -> Void
  ) {
    self.opened = opened
    do {
      connection = try HTTP2Connection(
        role: .client, descriptor: descriptor, tls: tls, serverName: serverName, loop: loop,
        configuration: configuration, owner: self)
    } catch {
      stateValue.store(State.closed.rawValue, ordering: .releasing)
      resolve(.failure(error))
    }
  }

  private func resolve(_ result: Result<ClientConnection, TransportError>) {
    let opened = self.opened
    self.opened = nil
    opened?(result)
  }

  /// Whether calls can be made now.
  ///
  /// Any thread.
  public var state: State {
    State(rawValue: stateValue.load(ordering: .acquiring)) ?? .closed
  }

  /// Calls that are open.
  ///
  /// Any thread.
  public var openCalls: Int { openCallCount.load(ordering: .relaxed) }

  /// Begins a call.
  ///
  /// Loop only.
  ///
  /// Calls beyond what the server takes at once wait for their turn. Where the connection takes no
  /// more, the handler is told so, as not processed, before this returns.
  @discardableResult
  public func start(_ head: CallHead, handler: any ClientStreamHandler) -> ClientStream? {
    guard let connection, connection.session != nil, state == .ready else {
      let why = goAway?.message ?? "the connection is \(state)"
      handler.finished(
        CallOutcome(status: Status(.unavailable, why), processing: .notProcessed))
      return nil
    }
    let stream = ClientStream(connection: connection, handler: handler)
    openCallCount.add(1, ordering: .relaxed)
    stream.start(head, authority: authority, userAgent: ClientConnection.userAgent)
    if stream.streamID == 0 { openCallCount.subtract(1, ordering: .relaxed) }
    return stream
  }

  /// Takes no more calls, lets the open ones finish and closes.
  ///
  /// Any thread.
  public func shutDown() {
    loop.execute { [self] in
      guard state == .ready else { return }
      drain()
      closeIfIdle()
    }
  }

  /// Closes at once; open calls end with UNAVAILABLE.
  ///
  /// Any thread.
  public func close() {
    loop.execute { [self] in
      connection?.close(
        TransportError(.connectionClosed, "the client has closed the connection"))
    }
  }

  private func drain() {
    guard state == .ready else { return }
    stateValue.store(State.draining.rawValue, ordering: .releasing)
    delegate?.connectionDraining(self)
  }

  private func closeIfIdle() {
    guard state == .draining, let connection, connection.streams.isEmpty else { return }
    connection.session?.submitGoAway(NGHTTP2_NO_ERROR.rawValue)
    connection.close(goAway ?? TransportError(.connectionClosed, "the connection has ended"))
  }
}

extension ClientConnection: HTTP2ConnectionOwner {
  func secured(peer: PeerCertificate?) { serverCertificate = peer }

  func ready() { resolve(.success(self)) }

  func makeStream() -> MessageStream? { nil }

  func pingAnswered(_ payload: UInt64) {}

  func goAwaySent() {}

  func goAwayReceived(lastStreamID: Int32, code: UInt32, debug: String) {
    if code != NGHTTP2_NO_ERROR.rawValue {
      let name = String(cString: nghttp2_http2_strerror(code))
      goAway = TransportError(
        .connectionClosed, "the server ended the connection: \(name) \(debug)")
    }
    drain()
  }

  func streamRetired(_ stream: MessageStream) {}

  var nextDeadline: ContinuousClock.Instant? { nil }

  func keepHouse(_ now: ContinuousClock.Instant) {}

  func callDropped(_ why: String) {}

  func streamClosed() {
    openCallCount.subtract(1, ordering: .relaxed)
    closeIfIdle()
  }

  func closed(_ reason: TransportError) {
    stateValue.store(State.closed.rawValue, ordering: .releasing)
    openCallCount.store(0, ordering: .relaxed)
    connection = nil
    let reason = goAway ?? reason
    if opened != nil {
      resolve(.failure(reason))
    } else {
      delegate?.connectionClosed(self, reason: reason)
    }
  }
}
