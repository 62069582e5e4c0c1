// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// A control-plane call: brings the callbacks of a stream and an `async` handler together.
///
/// The handler's task hears of the end of the call by its cancellation, by the sequence of
/// requests and by the writer, all of which fail then.
final class ControlPlaneCall: Call, @unchecked Sendable {
  // SAFETY: of the loop alone, but for `requests`, which locks itself.
  private let stream: ServerStream
  private var requests: RequestQueue?
  private var request: ReceivedMessage?
  private var task: Task<Void, Never>?
  private var writers: [CheckedContinuation<Void, any Error>] = []
  private var response: ResponseMetadata?
  private var hasSentHeaders = false
  private var hasEnded = false

  init(
    _ session: CallSession, _ route: Route, _ stream: ServerStream, _ head: borrowing RequestHead
  ) {
    self.stream = stream
    super.init(session, route, metadata: head.metadata, timeout: head.timeout)
  }

  override var messageByteCounts: (received: UInt64, sent: UInt64) {
    (stream.receivedByteCount, stream.sentByteCount)
  }

  /// Starts the handler of a method that reads its requests as they come.
  ///
  /// To be called once, when the call has begun.
  func open() {
    switch route.handler {
    case .clientStreaming(let handler):
      let requests = makeRequests()
      start { context, _ in try await handler(RequestMessages(requests), context) }
    case .bidirectional(let handler):
      let requests = makeRequests()
      start { context, responses in
        try await handler(RequestMessages(requests), context, responses)
        return nil
      }
    case .dataPlane, .dataPlaneStream, .unary, .serverStreaming: break
    }
    if method.kind == .subscription { session.add(subscription: self) }
  }

  private func makeRequests() -> RequestQueue {
    let queue = RequestQueue { [weak self] in
      guard let self else { return }
      session.loop?.execute { self.stream.resumeReading() }
    }
    requests = queue
    return queue
  }

  private func start(
    _ body: @escaping @Sendable (CallContext, ResponseWriter) async throws -> OutgoingMessage?
  ) {
    let context = CallContext(
      principal: principal, method: method.name, access: access, metadata: metadata,
      deadline: deadline, requestID: requestID)
    response = context.response
    let writer = ResponseWriter { [self] response in try await write(response) }
    task = Task { [self] in
      let outcome: Result<OutgoingMessage?, any Error>
      do { outcome = .success(try await body(context, writer)) } catch { outcome = .failure(error) }
      session.loop?.execute { self.complete(outcome) }
    }
  }

  // MARK: Responses

  /// Sends a response on the loop and waits there for room.
  private func write(_ response: OutgoingMessage) async throws {
    try await withCheckedThrowingContinuation { (waiting: CheckedContinuation<Void, any Error>) in
      let runs = session.loop?.execute { [self] in
        guard status == nil else { return waiting.resume(throwing: endOfCall) }
        sendHeaders()
        if stream.send(response) { waiting.resume() } else { writers.append(waiting) }
      }
      if runs != true {
        waiting.resume(throwing: RPCError(.unavailable, "the server has stopped"))
      }
    }
  }

  private func sendHeaders() {
    guard !hasSentHeaders else { return }
    hasSentHeaders = true
    stream.sendHeaders(initialMetadata)
  }

  // MARK: The end

  /// The handler has returned.
  private func complete(_ outcome: Result<OutgoingMessage?, any Error>) {
    task = nil
    if status == nil {
      switch outcome {
      case .success(let response):
        settle(.ok)
        if let response {
          sendHeaders()
          stream.send(response)
        }
        finish(.ok)
      case .failure(let error):
        let status = status(for: error)
        settle(status)
        finish(status)
      }
    }
    release()
    endOnce()
  }

  private var initialMetadata: Metadata {
    var metadata = RequestID.metadata(requestID)
    if let initial = response?.initial { metadata.append(contentsOf: initial) }
    return metadata
  }

  /// Without headers before it, what would have been in them goes with the status.
  private func finish(_ status: Status) {
    var trailers = hasSentHeaders ? Metadata() : initialMetadata
    if let trailing = response?.trailing { trailers.append(contentsOf: trailing) }
    stream.finish(status, trailers: trailers)
  }

  /// Nobody waits for the handler any more: it is told so, and the call is over when it returns.
  private func abandon(_ status: Status) {
    guard settle(status) else { return }
    task?.cancel()
    release()
    if task == nil { endOnce() }
  }

  private func release() {
    request = nil
    requests?.finish(endOfCall)
    let waiting = writers
    writers = []
    for writer in waiting { writer.resume(throwing: endOfCall) }
  }

  private func endOnce() {
    guard !hasEnded else { return }
    hasEnded = true
    if method.kind == .subscription { session.remove(subscription: self) }
    end()
  }

  private var endOfCall: RPCError {
    status?.code == .deadlineExceeded
      ? .deadlineExceeded : RPCError(.cancelled, "the call is over")
  }

  override func deadlinePassed() {
    guard status == nil else { return }
    let status = RPCError.deadlineExceeded.status
    abandon(status)
    finish(status)
  }

  /// The server shuts down and does not wait for this call.
  func serverIsDraining() {
    refuse(.unavailable("the server is shutting down; ask again", retryAfter: .seconds(1)))
  }

  private func refuse(_ error: RPCError) {
    guard self.status == nil else { return }
    let status = error.status
    abandon(status)
    finish(status)
  }
}

extension ControlPlaneCall: ServerStreamHandler {
  func receive(_ message: ReceivedMessage) {
    if let requests {
      if !requests.push(message) { stream.pauseReading() }
    } else if request == nil && task == nil {
      request = message
    } else {
      refuse(.invalidArgument("", "\(method.name) takes one message, more came"))
    }
  }

  func receiveEnd() {
    if let requests { return requests.finish(nil) }
    guard let request else {
      return refuse(.invalidArgument("", "\(method.name) takes one message, none came"))
    }
    self.request = nil
    switch route.handler {
    case .unary(let handler):
      start { context, _ in try await handler(request, context) }
    case .serverStreaming(let handler):
      start { context, responses in
        try await handler(request, context, responses)
        return nil
      }
    case .dataPlane, .dataPlaneStream, .clientStreaming, .bidirectional: break
    }
  }

  func cancelled() { abandon(Status(.cancelled, "the client has cancelled the call")) }

  func failed(_ status: Status) { abandon(status) }

  func writable() {
    let waiting = writers
    writers = []
    for writer in waiting { writer.resume() }
  }
}
