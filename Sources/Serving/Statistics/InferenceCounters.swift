// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// How often something happened and how long it took in all.
struct DurationCount: Equatable, Sendable {
  var count: UInt64 = 0
  /// Kept as it is measured: turning it into nanoseconds costs a 128-bit division.
  var duration = Duration.zero

  mutating func add(_ more: Duration, count added: Int = 1) {
    count += UInt64(added)
    duration += more
  }
}

extension Duration {
  /// Whole nanoseconds, 0 for a negative duration.
  var nanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    return UInt64(seconds) &* 1_000_000_000 &+ UInt64(attoseconds) / 1_000_000_000
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
  /// By batch size.
  var batches: [Int: Batch] = [:]
}

/// Keeps the statistics of a model version.
///
/// One short lock for each batch, not for each request.
final class InferenceCounters: Sendable {
  private let statistics = Mutex(InferenceStatistics())

  /// What a batch took.
  struct Batch {
    var requests = 0
    var rows = 0
    /// Of all its requests together.
    var queue = Duration.zero
    /// From arrival to answer, of all its requests together.
    var total = Duration.zero
    var computeInput = Duration.zero
    var computeInfer = Duration.zero
    var computeOutput = Duration.zero
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
      for _ in 0..<batch.requests {
        statistics.computeInput.add(batch.computeInput)
        statistics.computeInfer.add(batch.computeInfer)
        statistics.computeOutput.add(batch.computeOutput)
      }
      var size = statistics.batches[batch.rows] ?? InferenceStatistics.Batch()
      size.computeInput.add(batch.computeInput)
      size.computeInfer.add(batch.computeInfer)
      size.computeOutput.add(batch.computeOutput)
      statistics.batches[batch.rows] = size
    }
  }

  func recordFailure(requests: Int, total: Duration) {
    statistics.withLock { $0.fail.add(total, count: requests) }
  }

  func recordDropped() {
    statistics.withLock { $0.dropped += 1 }
  }
}
