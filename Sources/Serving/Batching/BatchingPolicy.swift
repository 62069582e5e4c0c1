// SPDX-License-Identifier: Apache-2.0

/// How requests of one model version wait for company.
public struct BatchingPolicy: Sendable, Hashable {
  /// The most rows of a batch; 1 makes every request a batch of its own.
  public var maxBatchSize: Int
  /// How long the first request of a batch may wait for others while an executor is free.
  ///
  /// Zero is greedy: an executor that becomes free takes what has queued meanwhile.
  public var maxDelay: Duration
  /// Requests that may wait; one more is refused with `.resourceExhausted`.
  public var maxQueuedRequests: Int
  /// Batches of the model that may run at the same time.
  public var maxConcurrentBatches: Int

  /// Makes a policy.
  public init(
    maxBatchSize: Int = 1, maxDelay: Duration = .zero, maxQueuedRequests: Int = 1024,
    maxConcurrentBatches: Int = 1
  ) {
    precondition(maxBatchSize > 0 && maxQueuedRequests > 0 && maxConcurrentBatches > 0)
    self.maxBatchSize = maxBatchSize
    self.maxDelay = maxDelay
    self.maxQueuedRequests = maxQueuedRequests
    self.maxConcurrentBatches = maxConcurrentBatches
  }
}
