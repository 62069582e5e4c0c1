// SPDX-License-Identifier: Apache-2.0

/// The answer to a unary call.
public struct UnaryResponse: Sendable {
  /// The server's message.
  public let message: ReceivedMessage
  /// The server's initial metadata.
  public let headers: Metadata
  /// The server's trailers.
  public let trailers: Metadata
}

extension ClientConnection {
  /// Makes a unary call and waits for its answer.
  ///
  /// Cancelling the task resets the call.
  ///
  /// - Throws: how the call ended, where not with OK and one message.
  public func unary(
    _ head: CallHead, _ message: OutgoingMessage
  ) async throws(CallError) -> UnaryResponse {
    let exchange = UnaryExchange()
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let accepted = loop.execute { [self] in
          exchange.start(self, head, message, continuation)
        }
        if !accepted { continuation.resume(returning: .failure(.loopStopped)) }
      }
    } onCancel: {
      loop.execute { exchange.cancel() }
    }
    return try result.get()
  }
}

extension CallError {
  /// The connection's loop has stopped.
  static var loopStopped: CallError {
    CallError(
      CallOutcome(
        status: Status(.unavailable, "the event loop has stopped"), processing: .notProcessed))
  }
}

/// One unary call, from a task to the loop and back.
///
/// All state is of the loop's thread.
private final class UnaryExchange: ClientStreamHandler, @unchecked Sendable {
  private var continuation: CheckedContinuation<Result<UnaryResponse, CallError>, Never>?
  private var stream: ClientStream?
  private var headers = Metadata()
  private var response: ReceivedMessage?
  private var hasSurplus = false
  private var isCancelled = false

  func start(
    _ connection: ClientConnection, _ head: CallHead, _ message: OutgoingMessage,
    _ continuation: CheckedContinuation<Result<UnaryResponse, CallError>, Never>
  ) {
    self.continuation = continuation
    guard !isCancelled else {
      let status = Status(.cancelled, "the client cancelled the call")
      return finished(CallOutcome(status: status, processing: .notProcessed))
    }
    guard let stream = connection.start(head, handler: self) else { return }
    if self.continuation != nil { self.stream = stream }
    stream.send(message)
    stream.finishSending()
  }

  func cancel() {
    isCancelled = true
    stream?.cancel()
  }

  func receive(headers: Metadata) { self.headers = headers }

  func receive(_ message: ReceivedMessage) {
    hasSurplus = response != nil
    response = message
  }

  func writable() {}

  func finished(_ outcome: CallOutcome) {
    stream = nil
    let continuation = self.continuation
    self.continuation = nil
    continuation?.resume(returning: result(outcome))
  }

  private func result(_ outcome: CallOutcome) -> Result<UnaryResponse, CallError> {
    guard outcome.status.code == .ok else { return .failure(CallError(outcome)) }
    guard let response, !hasSurplus else {
      var broken = outcome
      broken.status = Status(.internal, "a unary call is answered with exactly one message")
      return .failure(CallError(broken))
    }
    return .success(
      UnaryResponse(message: response, headers: headers, trailers: outcome.trailers))
  }
}
