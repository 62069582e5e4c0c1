// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// A streaming data-plane call of a connection: the transport's handler and the handler's call.
final class StreamStreamingCall: StreamingCall, @unchecked Sendable {
  // SAFETY: of the loop alone.
  private let stream: ServerStream
  private var receiver: (any StreamingCallReceiver)?
  private var openRequests = 0
  private var openByteCount = 0
  private var hasSentHeaders = false
  /// The client reads what it is sent.
  private var isWritable = true
  private var hasReceivedEnd = false

  init(
    _ session: CallSession, _ route: Route, _ stream: ServerStream, _ head: borrowing RequestHead
  ) {
    self.stream = stream
    super.init(session, route, metadata: head.metadata, timeout: head.timeout)
  }

  override var messageByteCounts: (received: UInt64, sent: UInt64) {
    (stream.receivedByteCount, stream.sentByteCount)
  }

  /// Hands the call to its handler.
  ///
  /// To be called once, when the call has begun.
  func open(_ handler: any StreamingDataPlaneHandler) { receiver = handler.open(self) }

  override func deliver(_ event: Event) {
    switch event {
    case .response(let response):
      guard status == nil else { return }
      sendHeaders()
      if !stream.send(response) {
        isWritable = false
        updateReading()
      }
    case .completion(let byteCount):
      openRequests -= 1
      openByteCount -= byteCount
      assert(openRequests >= 0, "\(method.name): a request is completed once")
      updateReading()
      finishIfComplete()
    case .failure(let error): refuse(status(for: error))
    }
  }

  private func updateReading() {
    guard status == nil else { return }
    let isFull =
      openRequests >= StreamingCall.maxOpenRequests
      || openByteCount >= StreamingCall.maxOpenByteCount
    if isFull || !isWritable { stream.pauseReading() } else { stream.resumeReading() }
  }

  private func sendHeaders() {
    guard !hasSentHeaders else { return }
    hasSentHeaders = true
    stream.sendHeaders(RequestID.metadata(requestID))
  }

  private func refuse(_ status: Status) {
    guard settle(status) else { return }
    abandon()
    stream.finish(status, trailers: hasSentHeaders ? Metadata() : RequestID.metadata(requestID))
    finishIfComplete()
  }

  /// Ends the call once nothing is open.
  ///
  /// Until then it counts, also where it was cancelled: compute that nobody waits for is compute.
  private func finishIfComplete() {
    guard openRequests == 0, receiver != nil, status != nil || hasReceivedEnd else { return }
    receiver = nil
    if settle(.ok) {
      sendHeaders()
      stream.finish(.ok)
    }
    end()
  }

  override func deadlinePassed() { refuse(RPCError.deadlineExceeded.status) }
}

extension StreamStreamingCall: ServerStreamHandler {
  func receive(_ message: ReceivedMessage) {
    guard status == nil, let receiver else { return }
    openRequests += 1
    openByteCount += message.bytes.count
    updateReading()
    receiver.receive(message, of: self)
  }

  func receiveEnd() {
    hasReceivedEnd = true
    finishIfComplete()
  }

  func cancelled() { failed(Status(.cancelled, "the client has cancelled the call")) }

  func failed(_ status: Status) {
    abandon()
    settle(status)
    finishIfComplete()
  }

  func writable() {
    isWritable = true
    updateReading()
  }
}
