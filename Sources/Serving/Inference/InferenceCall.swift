// SPDX-License-Identifier: Apache-2.0
import RPCTransport

/// The other end of a request: who is answered, once, from any thread.
protocol InferenceCall: AnyObject, Sendable {
  /// Whether the caller has gone or its deadline has passed. Cheap.
  var isCancelled: Bool { get }
  /// When the caller stops waiting; nil: never.
  var deadline: ContinuousClock.Instant? { get }
  /// The W3C trace context that the caller sent, as a `traceparent` of version 00; nil without one,
  /// which takes no memory to find out.
  var traceParent: String? { get }
  func succeed(_ message: OutgoingMessage)
  func fail(_ error: ServingError)
  /// Memory for the head of an answer, where there is better than what any thread may take.
  func responseBuffer(capacity: Int) -> PooledBuffer?
  /// Says, on the loop, where the next requests of this length should lie aligned.
  func alignRequests(ofByteCount byteCount: Int, at offset: Int)
}

extension InferenceCall {
  /// None.
  var traceParent: String? { nil }

  /// Nothing better.
  func responseBuffer(capacity: Int) -> PooledBuffer? { nil }

  /// Without a say in where messages lie.
  func alignRequests(ofByteCount byteCount: Int, at offset: Int) {}
}

/// A checked request on its way through batching, with what it keeps alive: the message its tensors
/// lie in and its place among the requests in flight of the model.
final class PendingInference: @unchecked Sendable {
  let call: any InferenceCall
  // SAFETY: not changed after init; the borrowed tensors are kept by their owners.
  let request: InferRequest
  let loaded: LoadedModel
  let arrival: ContinuousClock.Instant
  /// Ends when the request does.
  private let lease: ModelLease
  private let expiry: ContinuousClock.Instant?

  init(
    call: any InferenceCall, request: InferRequest, lease: consuming ModelLease,
    loaded: LoadedModel, arrival: ContinuousClock.Instant
  ) {
    self.call = call
    self.request = request
    self.loaded = loaded
    self.arrival = arrival
    self.lease = lease
    let bound = request.queueTimeout.map { arrival + $0 }
    expiry = [call.deadline, bound].compactMap { $0 }.min()
  }
}

extension PendingInference: Batchable {
  var rows: Int { max(request.rows, 1) }

  func fate(at now: ContinuousClock.Instant) -> BatchFate {
    if let expiry, expiry <= now { return .expired }
    return call.isCancelled ? .cancelled : .wanted
  }

  func isBatchable(with other: PendingInference) -> Bool {
    if loaded.signature.hasFixedExtents { return true }
    for index in request.inputs.indices
    where !request.inputs[index].isBatchable(with: other.request.inputs[index]) {
      return false
    }
    return true
  }

  /// Answers a request whose caller does not wait any more.
  func drop(_ fate: BatchFate) { Self.drop(call, fate, of: loaded) }

  /// Answers a call whose caller does not wait any more.
  static func drop(_ call: some InferenceCall, _ fate: BatchFate, of loaded: LoadedModel) {
    loaded.counters.recordDropped()
    switch fate {
    case .expired:
      call.fail(
        ServingError(.deadlineExceeded, "the deadline passed before the model could run"))
    case .cancelled, .wanted:
      call.fail(ServingError(.cancelled, "the caller cancelled before the model could run"))
    }
  }
}
