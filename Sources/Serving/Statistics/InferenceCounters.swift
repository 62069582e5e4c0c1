// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// How often something happened and how long it took in all.
struct DurationCount: Equatable, Sendable {
  var count: UInt64 = 0
  var nanoseconds: UInt64 = 0

  mutating func add(_ more: UInt64, count added: Int = 1) {
    count &+= UInt64(added)
    nanoseconds &+= more
  }
}

/// What a model version has done since it was loaded, in the terms of `ModelStatistics`.
struct InferenceStatistics: Equatable, Sendable {
  /// One batch size.
  struct Batch: Equatable, Sendable {
    var computeInput = DurationCount()
    var computeInfer = DurationCount()
    var computeOutput = DurationCount()
  }

  /// Milliseconds since the Unix epoch; 0: never.
  var lastInference: UInt64 = 0
  /// Rows; a request of a model without batching is one.
  var inferenceCount: UInt64 = 0
  /// Calls of the model.
  var executionCount: UInt64 = 0
  var success = DurationCount()
  var fail = DurationCount()
  var queue = DurationCount()
  var computeInput = DurationCount()
  var computeInfer = DurationCount()
  var computeOutput = DurationCount()
  /// Requests whose callers had gone before the model ran; Triton has no name for them here.
  var dropped: UInt64 = 0
  /// By batch size, where there was such a batch.
  var batches: [Int: Batch] {
    var batches = largeBatches
    for (size, batch) in smallBatches.enumerated() where batch != Batch() { batches[size] = batch }
    return batches
  }

  /// The place of a size is its index: no hashing for the sizes that are common.
  private var smallBatches = [Batch](repeating: Batch(), count: smallBatchLimit)
  private var largeBatches: [Int: Batch] = [:]
  private static let smallBatchLimit = 129

  /// Adds to what is known of batches of one size.
  mutating func addBatch(of size: Int, _ add: (inout Batch) -> Void) {
    if smallBatches.indices.contains(size) {
      add(&smallBatches[size])
    } else {
      add(&largeBatches[size, default: Batch()])
    }
  }
}

/// Keeps the statistics of a model version.
///
/// One short lock for each batch, not for each request.
final class InferenceCounters: Sendable {
  private let statistics = Mutex(InferenceStatistics())

  /// What a batch took, in nanoseconds.
  struct Batch {
    var requests = 0
    var rows = 0
    /// Of all its requests together.
    var queue: UInt64 = 0
    /// From arrival to answer, of all its requests together.
    var total: UInt64 = 0
    var computeInput: UInt64 = 0
    var computeInfer: UInt64 = 0
    var computeOutput: UInt64 = 0
  }

  var snapshot: InferenceStatistics { statistics.withLock { $0 } }

  func record(_ batch: Batch) {
    var now = timespec()
    // To the tick: four times cheaper than CLOCK_REALTIME, for a figure that people look at.
    clock_gettime(CLOCK_REALTIME_COARSE, &now)
    let milliseconds = UInt64(now.tv_sec) * 1000 + UInt64(now.tv_nsec) / 1_000_000
    statistics.withLock { statistics in
      statistics.lastInference = milliseconds
      statistics.inferenceCount += UInt64(batch.rows)
      statistics.executionCount += 1
      statistics.success.add(batch.total, count: batch.requests)
      statistics.queue.add(batch.queue, count: batch.requests)
      // Each request of a batch is said to have taken what the batch took, as Triton has it.
      let requests = UInt64(batch.requests)
      statistics.computeInput.add(batch.computeInput &* requests, count: batch.requests)
      statistics.computeInfer.add(batch.computeInfer &* requests, count: batch.requests)
      statistics.computeOutput.add(batch.computeOutput &* requests, count: batch.requests)
      statistics.addBatch(of: batch.rows) { size in
        size.computeInput.add(batch.computeInput)
        size.computeInfer.add(batch.computeInfer)
        size.computeOutput.add(batch.computeOutput)
      }
    }
  }

  func recordFailure(requests: Int, nanoseconds: UInt64) {
    statistics.withLock { $0.fail.add(nanoseconds, count: requests) }
  }

  func recordDropped() {
    statistics.withLock { $0.dropped += 1 }
  }
}
