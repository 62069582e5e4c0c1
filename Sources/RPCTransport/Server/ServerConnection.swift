// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// What a server decides about its connections and their calls, on the connection's loop.
public protocol ServerConnectionDelegate: AnyObject, Sendable {
  /// The client has proved its certificate and speaks HTTP/2; calls follow.
  func connectionReady(_ connection: ServerConnection)

  /// A call begins, of which only the header fields are known.
  ///
  /// The place to refuse: not a byte of a message was parsed. Sets
  /// ``MessageStream/maxMessageSize`` where the connection's default does not fit.
  ///
  /// - Returns: who hears of the call, or nil where it was already finished with a status.
  func connection(
    _ connection: ServerConnection, open stream: ServerStream, head: borrowing RequestHead
  ) -> (any ServerStreamHandler)?

  /// A GET: what the client may see, or nil where there is no such page for anybody, which is
  /// answered with 405.
  func connection(_ connection: ServerConnection, page path: String) -> HTTPPage?

  /// The connection takes no new calls; calls without an end of their own are to be ended.
  func connectionDraining(_ connection: ServerConnection)

  /// A call was given up because the client let it stand still.
  func connection(_ connection: ServerConnection, dropped reason: TransportError)

  /// The connection is gone, and every call of it was told.
  func connectionClosed(_ connection: ServerConnection, reason: TransportError)
}

extension ServerConnectionDelegate {
  /// Without pages.
  public func connection(_ connection: ServerConnection, page path: String) -> HTTPPage? { nil }

  /// Without interest in the beginning.
  public func connectionReady(_ connection: ServerConnection) {}

  /// Without interest in calls that stand still.
  public func connection(_ connection: ServerConnection, dropped reason: TransportError) {}

  /// Without calls that have no end.
  public func connectionDraining(_ connection: ServerConnection) {}
}

/// A client's connection, as the server holds it.
///
/// Loop only.
///
/// The loop keeps it until it is closed.
public final class ServerConnection {
  /// The loop that it lives on.
  public let loop: EventLoop
  /// The client's address.
  public let peerAddress: SocketAddress
  /// The client's verified certificate, once the handshake is done; nil after it only where a test
  /// does without.
  public private(set) var peer: PeerCertificate?
  private let delegate: any ServerConnectionDelegate
  private(set) var connection: HTTP2Connection?
  // Loop only, and judging calls nobody back.
  @exclusivity(unchecked) private var verdicts = RequestVerdictCache()
  /// Streams that are gone and wait to be used again.
  @exclusivity(unchecked) private var spareStreams: [ServerStream] = []
  /// As many calls as a busy client has open at a time; what goes beyond is made anew.
  private static let maxSpareStreams = 32
  private var isDraining = false
  private var hasPinged = false
  private var drainTimer: LoopTimer?
  /// When the connection is old enough to be drained.
  private let ageDeadline: ContinuousClock.Instant?
  /// When a connection that drains closes, though calls may be open.
  private var graceDeadline: ContinuousClock.Instant?
  private var drainReason = TransportError(.connectionClosed, "the connection has ended")

  /// Takes over an accepted socket, on `loop`.
  ///
  /// The delegate hears of it from now on.
  ///
  /// - Returns: the connection, or nil where the system has no means for one; the socket is closed
  ///   then.
  @discardableResult
  public static func accept(
    _ socket: Socket, tls: TLSContext, configuration: ConnectionConfiguration, loop: EventLoop,
    delegate: any ServerConnectionDelegate
  ) -> ServerConnection? {
    let descriptor = socket.takeDescriptor()
    let server = ServerConnection(
      loop: loop, peerAddress: socket.peerAddress, delegate: delegate,
      maxAge: configuration.maxAge)
    do {
      let connection = try HTTP2Connection(
        role: .server, descriptor: descriptor, tls: tls, serverName: nil, loop: loop,
        configuration: configuration, owner: server)
      server.connection = connection
    } catch {
      return nil
    }
    return server
  }

  private init(
    loop: EventLoop, peerAddress: SocketAddress, delegate: any ServerConnectionDelegate,
    maxAge: Duration?
  ) {
    ageDeadline = maxAge.map { loop.now + $0 * Double.random(in: 0.9...1.1) }
    self.loop = loop
    self.peerAddress = peerAddress
    self.delegate = delegate
  }

  /// Calls that are open.
  public var openStreams: Int { connection?.streams.count ?? 0 }

  /// Lets the open calls finish, takes no new ones, and closes.
  ///
  /// Two steps, so that no call that is under way to this end is lost: the client is told to open
  /// no more calls, and only when it has answered a ping sent behind that are further ones refused.
  public func drain() {
    guard !isDraining, let connection else { return }
    isDraining = true
    guard let session = connection.session else {
      return connection.close(TransportError(.connectionClosed, "the server is draining"))
    }
    session.submitShutdownNotice()
    connection.setNeedsFlush()
    delegate.connectionDraining(self)
    drainTimer = loop.schedule(after: connection.configuration.drainPingTimeout) { [self] in
      refuseNewStreams()
    }
  }

  /// Drains, and closes after the configured grace.
  ///
  /// Loop only.
  private func drain(graceFor reason: TransportError) {
    guard graceDeadline == nil, let connection else { return }
    drainReason = reason
    graceDeadline = loop.now + connection.configuration.drainGrace
    drain()
    connection.scheduleHousekeeping()
  }

  /// Applies changed trust to a client that is connected: one whose certificate was revoked is
  /// closed, and one whose certificate would not be accepted any more is drained.
  ///
  /// Loop only.
  ///
  /// - Returns: what was found, or nil where the certificate is as good as ever.
  public func apply(_ context: TLSContext) -> TransportError? {
    guard let connection, let distrust = connection.distrust(of: context) else { return nil }
    let reason = TransportError(
      .certificate, "the client's certificate is not accepted any more: \(distrust.reason)")
    if distrust.isRevocation { connection.close(reason) } else { drain(graceFor: reason) }
    return reason
  }

  private func refuseNewStreams() {
    guard let timer = drainTimer else { return }
    timer.cancel()
    drainTimer = nil
    // With the last call nghttp2 wants nothing more, and the connection ends.
    connection?.session?.submitGoAway(NGHTTP2_NO_ERROR.rawValue)
    connection?.setNeedsFlush()
  }

  /// Closes at the end of the turn; open calls are cancelled.
  public func close() {
    connection?.close(TransportError(.connectionClosed, "the server has closed the connection"))
  }

  func verdict(_ headers: ReceivedHeaders) -> RequestVerdict { verdicts.verdict(headers) }

  func page(_ path: String) -> HTTPPage? { delegate.connection(self, page: path) }

  func open(_ stream: ServerStream, _ head: RequestHead) -> (any ServerStreamHandler)? {
    delegate.connection(self, open: stream, head: head)
  }
}

extension ServerConnection: HTTP2ConnectionOwner {
  func secured(peer: PeerCertificate?) { self.peer = peer }

  func ready() { delegate.connectionReady(self) }

  func makeStream() -> MessageStream? {
    guard let connection else { return nil }
    guard let spare = spareStreams.popLast() else {
      return ServerStream(connection: connection, server: self)
    }
    spare.reopen(on: connection)
    return spare
  }

  func streamRetired(_ stream: MessageStream) {
    guard spareStreams.count < Self.maxSpareStreams else { return }
    // SAFETY: every stream of this connection was made by `makeStream`.
    spareStreams.append(unsafeDowncast(stream, to: ServerStream.self))
  }

  func pingAnswered(_ payload: UInt64) {
    if payload == HTTP2Connection.drainPing { refuseNewStreams() }
  }

  func goAwaySent() {
    // Now, because nghttp2 would send a ping that is submitted together with the GOAWAY before it.
    guard drainTimer != nil, !hasPinged else { return }
    hasPinged = true
    connection?.session?.submitPing(HTTP2Connection.drainPing)
  }

  func goAwayReceived(lastStreamID: Int32, code: UInt32, debug: String) {}

  var nextDeadline: ContinuousClock.Instant? {
    guard let connection else { return nil }
    if let graceDeadline { return graceDeadline }
    guard !isDraining else { return nil }
    let idle = connection.configuration.idleTimeout
    guard let idle, connection.streams.isEmpty else { return ageDeadline }
    let deadline = connection.lastStreamEnded + idle
    return ageDeadline.map { min($0, deadline) } ?? deadline
  }

  func keepHouse(_ now: ContinuousClock.Instant) {
    guard let connection else { return }
    if let graceDeadline, graceDeadline <= now {
      connection.close(drainReason)
    } else if let deadline = nextDeadline, deadline <= now, !isDraining {
      let isOld = ageDeadline.map { $0 <= now } ?? false
      drain(
        graceFor: TransportError(
          .connectionClosed, isOld ? "the connection has its age" : "the connection is idle"))
    }
  }

  func callDropped(_ why: String) {
    delegate.connection(self, dropped: TransportError(.timeout, why))
  }

  func streamClosed() {}

  func closed(_ reason: TransportError) {
    drainTimer?.cancel()
    drainTimer = nil
    connection = nil
    spareStreams = []
    delegate.connectionClosed(self, reason: reason)
  }
}
