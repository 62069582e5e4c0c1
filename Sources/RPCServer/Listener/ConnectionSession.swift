// SPDX-License-Identifier: Apache-2.0
internal import Logging
internal import RPCTransport

/// One client's connection: finds out who it is, and opens its calls.
final class ConnectionSession: @unchecked Sendable {
  let serial: UInt64
  let loop: EventLoop
  /// What the connection is counted under.
  let network: SocketAddress.PeerNetwork?
  private let strangers: ThrottledLog
  private let completions: CompletionQueue
  private let measures: CallMeasures?
  private let pipeline: CallPipeline
  private let quota: QuotaLedger
  private let closed: @Sendable (ConnectionSession) -> Void

  // SAFETY: of the loop alone.
  private var connection: ServerConnection?
  private var calls: Result<CallSession, RPCError>?
  /// The route of the last call: a client repeats itself.
  private var lastRoute: Route?

  init(
    serial: UInt64, loop: EventLoop, network: SocketAddress.PeerNetwork?,
    completions: CompletionQueue, measures: CallMeasures?, pipeline: CallPipeline,
    quota: QuotaLedger, strangers: ThrottledLog,
    closed: @escaping @Sendable (ConnectionSession) -> Void
  ) {
    self.serial = serial
    self.loop = loop
    self.network = network
    self.strangers = strangers
    self.completions = completions
    self.measures = measures
    self.pipeline = pipeline
    self.quota = quota
    self.closed = closed
  }

  /// Takes over an accepted socket.
  ///
  /// Loop only.
  func accept(_ socket: Socket, tls: TLSContext, configuration: ConnectionConfiguration) {
    connection = ServerConnection.accept(
      socket, tls: tls, configuration: configuration, loop: loop, delegate: self)
    if connection == nil { closed(self) }
  }

  /// Lets the open calls finish and closes.
  ///
  /// Any thread.
  func drain() {
    loop.execute { self.connection?.drain() }
  }

  /// Checks the client's certificate anew, with changed authorities or revocation lists.
  ///
  /// Any thread.
  func apply(_ tls: TLSContext) {
    loop.execute {
      guard let connection = self.connection, let reason = connection.apply(tls) else { return }
      self.strangers.notice(
        "connection is to end", metadata: self.about(connection, reason))
    }
  }

  private func about(
    _ connection: ServerConnection, _ reason: TransportError
  ) -> Logger.Metadata {
    var fields: Logger.Metadata = [
      "peer": "\(connection.peerAddress)", "reason": "\(reason.message)",
    ]
    if case .success(let session) = calls { fields["principal"] = "\(session.principal)" }
    return fields
  }

  /// Closes now; open calls are cancelled.
  ///
  /// Any thread.
  func close() { loop.execute { self.connection?.close() } }

  private func identify(_ connection: ServerConnection) -> Result<CallSession, RPCError> {
    do throws(RPCError) {
      guard let certificate = connection.peer else {
        throw RPCError(.unauthenticated, "a client certificate was expected")
      }
      let principal = try Principal(certificate)
      return .success(
        CallSession(
          principal, quota.open(principal), pipeline, serial: serial, loop: loop,
          completions: completions, measures: measures, peer: "\(connection.peerAddress)"))
    } catch {
      strangers.notice(
        "connection without an identity",
        metadata: ["peer": "\(connection.peerAddress)", "reason": "\(error.message)"])
      return .failure(error)
    }
  }

  private func route(_ path: String) -> Route? {
    if let lastRoute, lastRoute.method.name.path == path { return lastRoute }
    guard let route = pipeline.routes[path] else { return nil }
    lastRoute = route
    return route
  }
}

extension ConnectionSession: ServerConnectionDelegate {
  func connection(
    _ connection: ServerConnection, open stream: ServerStream, head: borrowing RequestHead
  ) -> (any ServerStreamHandler)? {
    do throws(RPCError) {
      let identity = self.calls ?? identify(connection)
      self.calls = identity
      let session: CallSession
      switch identity {
      case .success(let known): session = known
      case .failure(let error): throw countOther(error)
      }
      guard let route = route(head.path) else { throw countOther(.unknownMethod(head.path)) }
      if let limit = route.method.maxMessageSize { stream.maxMessageSize = limit }
      switch route.handler {
      case .dataPlane:
        let call = StreamUnaryCall.opened(session, route, stream, head)
        try call.begin()
        return call
      case .dataPlaneStream(let handler):
        let call = StreamStreamingCall(session, route, stream, head)
        try call.begin()
        call.open(handler)
        return call
      case .unary, .serverStreaming, .clientStreaming, .bidirectional:
        let call = ControlPlaneCall(session, route, stream, head)
        try call.begin()
        call.open()
        return call.status == nil ? call : nil
      }
    } catch {
      stream.finish(
        error.status,
        trailers: RequestID.accepted(in: head.metadata).map(RequestID.metadata) ?? Metadata())
      return nil
    }
  }

  /// Counts a call that never became one of a method's.
  private func countOther(_ error: RPCError) -> RPCError {
    if let measures {
      measures.begin(pipeline.otherMethodIndex)
      measures.end(
        pipeline.otherMethodIndex, status: error.code.rawValue,
        nanoseconds: MonotonicTime.now.since(loop.turnTime), received: 0, sent: 0)
    }
    return error
  }

  func connection(_ connection: ServerConnection, page path: String) -> HTTPPage? {
    guard path == "/metrics" else { return nil }
    let identity = calls ?? identify(connection)
    calls = identity
    guard case .success(let session) = identity else {
      return HTTPPage(status: 401, "the certificate has no identity of a team")
    }
    let resource = Resource(kind: "metrics", team: nil, name: "server")
    guard pipeline.access.authorize(session.principal, .administer, on: resource) == .allow else {
      return HTTPPage(status: 403, "the metrics are the administrators'")
    }
    return HTTPPage(
      contentType: MetricsText.contentType, body: Array(pipeline.metrics.text().utf8))
  }

  func connection(_ connection: ServerConnection, dropped reason: TransportError) {
    strangers.notice("call dropped", metadata: about(connection, reason))
  }

  func connectionDraining(_ connection: ServerConnection) {
    if case .success(let session) = calls { session.drain() }
  }

  func connectionClosed(_ connection: ServerConnection, reason: TransportError) {
    // Everything but an ordinary end: what the client did wrong, or did not do in time.
    if reason.code != .connectionClosed {
      strangers.notice("connection closed", metadata: about(connection, reason))
    }
    if case .success(let session) = calls { quota.close(session.account) }
    calls = nil
    self.connection = nil
    closed(self)
  }
}
