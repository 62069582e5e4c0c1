// SPDX-License-Identifier: Apache-2.0

/// The settings of the data plane.
public struct ServingConfiguration: Sendable, Hashable {
  /// What `ServerMetadata` answers.
  public var serverName = "massif"
  /// What `ServerMetadata` answers.
  public var serverVersion = "0.1.0"
  /// How long the first request of a batch may wait for others while an executor is free.
  ///
  /// Zero is greedy: what has queued while a batch ran makes the next one.
  public var maxBatchDelay = Duration.zero
  /// The most rows of a batch, whatever a model allows.
  public var maxBatchSize = 1024
  /// Requests that may wait for one model version; one more is refused.
  public var maxQueuedRequests = 1024
  /// Threads that run batches; all models share them.
  public var executorCount = 2
  /// Batches of one model version that run at the same time, for models that batch.
  ///
  /// One lets the next batch fill while it runs. Models that do not batch may use every thread.
  public var maxConcurrentBatches = 1
  /// Bounds on requests.
  public var limits = InferLimits()

  /// The defaults.
  public init() {}

  func policy(for model: any InferenceModel) -> BatchingPolicy {
    let batches = model.maxBatchSize > 0
    return BatchingPolicy(
      maxBatchSize: batches ? min(model.maxBatchSize, maxBatchSize) : 1,
      maxDelay: batches ? maxBatchDelay : .zero,
      maxQueuedRequests: maxQueuedRequests,
      maxConcurrentBatches: batches ? min(maxConcurrentBatches, executorCount) : executorCount)
  }
}
