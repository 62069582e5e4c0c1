// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport

/// Who is answered by a model that may answer a request any number of times (Triton's *decoupled*).
protocol DecoupledInferenceCall: InferenceCall {
  /// Sends an answer that is not the last.
  func respond(_ message: OutgoingMessage)
  /// Ends the request behind its last answer.
  func finish()
}

/// One request of a `ModelStreamInfer` call; used again for a later one when it is done.
final class StreamedRequest: DecoupledInferenceCall, @unchecked Sendable {
  private let writer: StreamResponseWriter
  private let errorsEndTheCall: Bool
  // SAFETY: written by the loop while nobody else holds the object, and by the one who completes
  // the request; reads lie between the two.
  private var message: PooledBuffer?
  private var stream: (any InferenceStream)?

  init(writer: StreamResponseWriter, errorsEndTheCall: Bool) {
    self.writer = writer
    self.errorsEndTheCall = errorsEndTheCall
  }

  /// Begins to stand for a request.
  ///
  /// - Precondition: the one before is complete.
  func begin(_ message: PooledBuffer, of stream: any InferenceStream) {
    precondition(self.message == nil, "a request is complete before the object is used again")
    self.message = message
    self.stream = stream
  }

  /// A request that is complete has nobody who waits.
  var isCancelled: Bool { stream?.isCancelled ?? true }
  var deadline: ContinuousClock.Instant? { stream?.deadline }
  var traceParent: String? { stream?.traceParent }

  func respond(_ message: OutgoingMessage) {
    stream?.respond(writer.response(message, isFinal: false))
  }

  func succeed(_ message: OutgoingMessage) {
    end { _, _ in writer.response(message, isFinal: true) }
  }

  func finish() {
    end { request, _ in
      let echo = StreamedRequestEcho(request.bytes)
      return echo.wantsEmptyFinalResponse ? writer.emptyFinalResponse(echo) : nil
    }
  }

  func fail(_ error: ServingError) {
    end { request, stream in
      guard !stream.isCancelled else { return nil }
      guard !errorsEndTheCall else {
        stream.fail(error.rpcError)
        return nil
      }
      return writer.failure(
        stream.status(of: error.rpcError).message, of: StreamedRequestEcho(request.bytes))
    }
  }

  private func end(
    _ last: (_ request: PooledBuffer, _ stream: any InferenceStream) -> OutgoingMessage?
  ) {
    guard let message, let stream else {
      return assertionFailure("a request is completed once")
    }
    let response = last(message, stream)
    self.message = nil
    self.stream = nil
    stream.complete(response, requestByteCount: message.count)
  }
}
