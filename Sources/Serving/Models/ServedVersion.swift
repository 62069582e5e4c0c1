// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Store
import Synchronization

/// A version that is loaded, and the way its requests take.
final class ServedVersion: Sendable {
  let model: QualifiedName
  let version: Int64
  let manifest: ModelManifest
  let loaded: LoadedModel
  let policy: BatchingPolicy
  let gate = InFlightGate()
  /// Nil for a model that runs on the event loop.
  private let batcher: DynamicBatcher?
  private let runner: BatchRunner
  /// What serves this version after this object; set before the gate closes.
  private let successor = Mutex<ServedVersion?>(nil)

  /// - Parameter counters: of what served the version before.
  init(
    record: ModelVersionRecord, model: any InferenceModel, policy: BatchingPolicy,
    executors: ExecutorPool, runner: BatchRunner, counters: InferenceCounters = InferenceCounters()
  ) {
    self.model = record.model
    version = record.version
    manifest = record.manifest
    loaded = LoadedModel(model, version: record.version, counters: counters)
    self.policy = policy
    self.runner = runner
    batcher =
      model.executesInline
      ? nil : DynamicBatcher(policy: policy, executors: executors, runner: runner)
    gate.guards(self)
  }

  /// A place among the requests in flight, here or with what has taken over.
  ///
  /// Nil when the version is being unloaded.
  func enter() -> ModelLease? {
    if let lease = gate.enter() { return lease }
    return successor.withLock { $0 }?.enter()
  }

  /// Takes a request.
  ///
  /// A model that executes inline has answered when this returns.
  ///
  /// - Parameter arrival: when the request came.
  func infer(
    _ request: borrowing InferRequest, for call: some InferenceCall,
    lease: consuming ModelLease, arrival: MonotonicTime
  ) {
    if let batcher {
      batcher.enqueue(
        PendingInference(
          call: call, request: copy request, lease: lease, loaded: loaded, arrival: .now))
    } else if call.isCancelled {
      let isExpired = call.deadline.map { $0 <= .now } ?? false
      PendingInference.drop(call, isExpired ? .expired : .cancelled, of: loaded)
    } else {
      runner.run(request, for: call, on: loaded, queued: 0, start: arrival, isCancelled: nil)
    }
  }

  /// Requests that wait for the model.
  var queuedCount: Int { batcher?.queuedCount ?? 0 }

  /// Lets another serve the requests that still come here, then quiesces.
  func handOver(to successor: ServedVersion) async {
    self.successor.withLock { $0 = successor }
    await quiesce()
  }

  /// Refuses new requests and returns when those in flight have been answered.
  func quiesce() async {
    await gate.closeAndDrain()
    batcher?.close()
  }
}

extension ServingError {
  /// Told to a caller who comes while a version loads or unloads.
  private static let transitionRetryDelay = Duration.seconds(1)

  static func quiescing(_ model: QualifiedName, _ version: Int64) -> ServingError {
    ServingError(
      .unavailable, "\(model) version \(version) is being unloaded",
      retryAfter: transitionRetryDelay, model: "\(model)")
  }

  static func loading(_ model: QualifiedName, _ version: Int64) -> ServingError {
    ServingError(
      .unavailable, "\(model) version \(version) is being loaded",
      retryAfter: transitionRetryDelay, model: "\(model)")
  }
}
