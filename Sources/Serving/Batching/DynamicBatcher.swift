// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Synchronization

/// Where the requests of one model version wait for each other.
///
/// Performs what `BatchState` decides.
final class DynamicBatcher: ExecutorWork {
  /// Told to a caller whose request found the queue full.
  private static let retryDelay = Duration.milliseconds(50)

  private let state: Mutex<BatchState<PendingInference>>
  private let policy: BatchingPolicy
  private let executors: ExecutorPool
  private let runner: BatchRunner

  init(policy: BatchingPolicy, executors: ExecutorPool, runner: BatchRunner) {
    state = Mutex(BatchState(policy: policy))
    self.policy = policy
    self.executors = executors
    self.runner = runner
  }

  /// Requests that wait.
  var queuedCount: Int { state.withLock { $0.count } }

  /// Adds a request, or fails it when the queue is full.
  ///
  /// Never waits.
  func enqueue(_ request: PendingInference) {
    var dropped: [(request: PendingInference, fate: BatchFate)] = []
    let enqueued = state.withLock {
      $0.enqueue(request, at: request.arrival, dropped: &dropped)
    }
    for (request, fate) in dropped { request.drop(fate) }
    switch enqueued {
    case .accepted(let action):
      perform(action)
    case .queueFull:
      request.call.fail(
        ServingError(
          .resourceExhausted,
          "\(request.request.modelName): \(policy.maxQueuedRequests) requests are waiting, which is"
            + " the limit; try again later", retryAfter: Self.retryDelay))
    case .closed:
      request.call.fail(
        ServingError(
          .unavailable, "\(request.request.modelName) is being unloaded",
          retryAfter: Self.retryDelay))
    }
  }

  func runBatch() {
    let now = ContinuousClock.now
    let taken = state.withLock { $0.take(at: now) }
    perform(taken.action)
    for (request, fate) in taken.dropped { request.drop(fate) }
    guard !taken.batch.isEmpty else { return }
    runner.run(taken.batch, start: now)
    perform(state.withLock { $0.finished(at: .now) })
  }

  func timerFired() {
    perform(state.withLock { $0.timerFired(at: .now) })
  }

  /// Fails what waits and refuses what comes.
  func close() {
    let left = state.withLock { $0.close() }
    for request in left {
      request.call.fail(
        ServingError(
          .unavailable, "\(request.request.modelName) is being unloaded",
          retryAfter: Self.retryDelay))
    }
  }

  private func perform(_ action: BatchState<PendingInference>.Action) {
    switch action {
    case .none: break
    case .claimExecutor: executors.submit(self)
    case .setTimer(let instant): executors.setTimer(instant, for: self)
    }
  }
}
