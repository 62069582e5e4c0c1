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
  private var outcome: Result<OutgoingMessage, RPCError>?
  // SAFETY: of the loop alone.
  private let stream: ServerStream
  private let handler: any UnaryDataPlaneHandler
  private var phase = Phase.receiving

  init(
    _ session: CallSession, _ route: Route, _ handler: any UnaryDataPlaneHandler,
    _ stream: ServerStream, _ head: borrowing RequestHead
  ) {
    self.stream = stream
    self.handler = handler
    super.init(session, route, metadata: head.metadata, timeout: head.timeout)
  }

  override func alignRequests(ofByteCount byteCount: Int, at offset: Int) {
    stream.alignMessages(ofByteCount: byteCount, at: offset)
  }

  override func completed(_ outcome: Result<OutgoingMessage, RPCError>) {
    self.outcome = outcome
    if let loop = session.loop, loop.isCurrent {
      deliver()
    } else {
      session.completions?.push(self)
    }
  }

  /// Sends the outcome where the client still waits for it, and ends the call.
  func deliver() {
    guard phase == .handling, let outcome else { return }
    self.outcome = nil
    switch outcome {
    case .success(let response):
      if settle(.ok) {
        if let id = RequestID.accepted(in: metadata) {
          stream.sendHeaders(RequestID.metadata(id))
        }
        stream.send(response)
        stream.finish(.ok)
      }
    case .failure(let error): refuse(error)
    }
    phase = .ended
    end()
  }

  private func refuse(_ error: RPCError) {
    guard status == nil else { return }
    let status = status(for: error)
    settle(status)
    let id = RequestID.accepted(in: metadata)
    stream.finish(status, trailers: id.map(RequestID.metadata) ?? Metadata())
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
    request = nil
    end()
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
