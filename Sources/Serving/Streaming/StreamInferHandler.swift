// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport

/// `ModelStreamInfer`: any number of requests over one call, each answered as soon as it is done.
///
/// Requests go the way of `ModelInfer`, through the same queues; this only brings them there and
/// the answers back.
struct StreamInferHandler: StreamingDataPlaneHandler {
  let infer: InferHandler
  let pool: BufferPool

  func open(_ call: StreamingCall) -> any StreamingCallReceiver {
    StreamInference(
      infer: infer, pool: pool, caller: Caller(principal: call.principal, access: call.access),
      errorsEndTheCall: StreamInference.errorsEndTheCall(call.metadata))
  }
}

/// The requests of one `ModelStreamInfer` call.
///
/// Of the call's loop.
final class StreamInference: StreamingCallReceiver {
  private let infer: InferHandler
  private let writer: StreamResponseWriter
  private let caller: Caller
  private let errorsEndTheCall: Bool
  /// What stands for the requests that are open; each is used again when nobody holds it any more.
  private var requests: [StreamedRequest] = []
  /// Where the search for one to use again begins: behind the last that was taken, as the oldest
  /// is the likeliest to be done.
  private var next = 0
  private let recent: RecentRequests

  /// - Parameter errorsEndTheCall: whether a failure ends the call with its status, instead of
  ///   being told in an answer of its own.
  init(infer: InferHandler, pool: BufferPool, caller: Caller, errorsEndTheCall: Bool) {
    self.infer = infer
    writer = StreamResponseWriter(pool: pool)
    recent = RecentRequests(pool: pool)
    self.caller = caller
    self.errorsEndTheCall = errorsEndTheCall
  }

  /// Whether a caller asks, as Triton has it, to see errors as gRPC's own.
  static func errorsEndTheCall(_ metadata: Metadata) -> Bool {
    metadata["triton_grpc_error"] == "true"
  }

  func receive(_ message: ReceivedMessage, of call: StreamingCall) {
    receive(message.buffer, of: call)
  }

  /// Takes a request; `stream` has it completed exactly once, now or later.
  func receive(_ message: PooledBuffer, of stream: any InferenceStream) {
    let request = takeRequest()
    request.begin(message, of: stream)
    infer.infer(message, for: request, caller: caller, recent: recent)
  }

  private func takeRequest() -> StreamedRequest {
    for _ in requests.indices {
      next = next + 1 < requests.count ? next + 1 : 0
      if isKnownUniquelyReferenced(&requests[next]) { return requests[next] }
    }
    let request = StreamedRequest(writer: writer, errorsEndTheCall: errorsEndTheCall)
    // The bound of open requests bounds this too.
    if requests.count < StreamingCall.maxOpenRequests { requests.append(request) }
    return request
  }
}

/// The other end of a stream of requests, as the requests see it.
///
/// Any thread.
protocol InferenceStream: AnyObject, Sendable {
  var isCancelled: Bool { get }
  var deadline: ContinuousClock.Instant? { get }
  /// As ``InferenceCall/traceParent``.
  var traceParent: String? { get }
  func respond(_ response: OutgoingMessage)
  func complete(_ response: OutgoingMessage?, requestByteCount: Int)
  func fail(_ error: RPCError)
  /// What a caller is told of an error; one that is not the caller's goes to the log.
  func status(of error: RPCError) -> Status
}

extension InferenceStream {
  /// None.
  var traceParent: String? { nil }
}

extension StreamingCall: InferenceStream {
  var traceParent: String? { TraceContext(metadata)?.text }
}
