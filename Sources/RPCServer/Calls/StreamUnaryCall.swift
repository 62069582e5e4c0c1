// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// A data-plane call of a connection.
///
/// One object a call: it is the transport's handler, the handler's call and the node in the queue
/// of completions.
final class StreamUnaryCall: UnaryCall, @unchecked Sendable {
  private enum Phase {
    /// The request is not complete.
    case receiving
    /// The handler has the call.
    case handling
    case ended
  }

  /// The next in the queue of completions.
  ///
  /// SAFETY: of the queue alone.
  var next: UnsafeMutableRawPointer?
  // SAFETY: written by the completing thread before the queue hands the call to the loop.
  @exclusivity(unchecked) private var outcome: Result<OutgoingMessage, RPCError>?
  // SAFETY: of the loop alone.
  /// Nil when the call is over.
  @exclusivity(unchecked) private var stream: ServerStream?
  private var phase = Phase.receiving

  init(
    _ session: CallSession, _ route: Route, _ stream: ServerStream, _ head: borrowing RequestHead
  ) {
    self.stream = stream
    super.init(session, route, metadata: head.metadata, timeout: head.timeout)
  }

  /// The call of a stream that begins: the one that the stream's last call has left, if it has and
  /// nobody holds that any more, or a new one.
  static func opened(
    _ session: CallSession, _ route: Route, _ stream: ServerStream, _ head: borrowing RequestHead
  ) -> StreamUnaryCall {
    var left = stream.leftover
    stream.leftover = nil
    guard left != nil, isKnownUniquelyReferenced(&left), let call = left as? StreamUnaryCall,
      call.session === session
    else { return StreamUnaryCall(session, route, stream, head) }
    if call.request != nil { session.loop?.recycle(&call.request) }
    call.stream = stream
    call.phase = .receiving
    call.reopenUnary(route, metadata: head.metadata, timeout: head.timeout)
    return call
  }

  /// The call is over: the stream may have it for its next one.
  private func leave() {
    // Whoever completes a call may still read a small request, which is used again with the object.
    if request?.buffer.isSmall == false { request = nil }
    guard let stream else { return }
    self.stream = nil
    stream.leftover = self
  }

  override func alignRequests(ofByteCount byteCount: Int, at offset: Int) {
    stream?.alignMessages(ofByteCount: byteCount, at: offset)
  }

  override var messageByteCounts: (received: UInt64, sent: UInt64) {
    stream.map { ($0.receivedByteCount, $0.sentByteCount) } ?? (0, 0)
  }

  override func responseBuffer(capacity: Int) -> PooledBuffer? {
    guard let loop = session.loop, loop.isCurrent else { return nil }
    return loop.smallBuffer(capacity: capacity)
  }

  override func completed(_ outcome: Result<OutgoingMessage, RPCError>) {
    if let loop = session.loop, loop.isCurrent {
      deliver(outcome)
    } else {
      self.outcome = outcome
      session.completions?.push(self)
    }
  }

  /// Takes up a call that another thread has completed.
  func deliver() {
    guard let outcome else { return }
    self.outcome = nil
    deliver(outcome)
  }

  /// Sends the outcome where the client still waits for it, and ends the call.
  private func deliver(_ outcome: Result<OutgoingMessage, RPCError>) {
    guard phase == .handling else { return }
    switch outcome {
    case .success(let response):
      if settle(.ok) {
        send(response)
      }
    case .failure(let error): refuse(error)
    }
    phase = .ended
    end()
    leave()
  }

  private func send(_ response: OutgoingMessage) {
    guard let stream else { return }
    if let id = RequestID.accepted(in: metadata) { stream.sendHeaders(RequestID.metadata(id)) }
    stream.send(response)
    stream.finish(.ok)
  }

  private func refuse(_ error: RPCError) {
    guard status == nil else { return }
    let status = status(for: error)
    settle(status)
    let id = RequestID.accepted(in: metadata)
    stream?.finish(status, trailers: id.map(RequestID.metadata) ?? Metadata())
  }

  override func deadlinePassed() {
    abandon()
    refuse(.deadlineExceeded)
    endUnlessHandling()
  }

  /// While the handler has the call it counts: compute that nobody waits for is compute.
  private func endUnlessHandling() {
    guard phase == .receiving else { return }
    phase = .ended
    end()
    leave()
  }
}

extension StreamUnaryCall: ServerStreamHandler {
  func receive(_ message: ReceivedMessage) {
    guard request == nil else {
      refuse(.invalidArgument("", "\(method.name) takes one message, more came"))
      return endUnlessHandling()
    }
    request = message
  }

  func receiveEnd() {
    guard phase == .receiving else { return }
    guard request != nil else {
      refuse(.invalidArgument("", "\(method.name) takes one message, none came"))
      return endUnlessHandling()
    }
    phase = .handling
    guard case .dataPlane(let handler) = route.handler else {
      return assertionFailure("\(method.name) is not of the data plane")
    }
    handler.handle(self)
  }

  func cancelled() { failed(Status(.cancelled, "the client has cancelled the call")) }

  func failed(_ status: Status) {
    abandon()
    settle(status)
    endUnlessHandling()
  }

  func writable() {}
}
