// SPDX-License-Identifier: Apache-2.0

extension WireWriter {
  /// `inference.ModelStatistics`.
  mutating func modelStatistics(name: String, _ served: ServedVersion) {
    let statistics = served.loaded.counters.snapshot
    string(1, name)
    string(2, served.loaded.versionText)
    unsigned(3, statistics.lastInference)
    unsigned(4, statistics.inferenceCount)
    unsigned(5, statistics.executionCount)
    message(6) {
      $0.duration(1, statistics.success)
      $0.duration(2, statistics.fail)
      $0.duration(3, statistics.queue)
      $0.duration(4, statistics.computeInput)
      $0.duration(5, statistics.computeInfer)
      $0.duration(6, statistics.computeOutput)
      $0.duration(7, DurationCount())
      $0.duration(8, DurationCount())
    }
    for (size, batch) in statistics.batches.sorted(by: { $0.key < $1.key }) {
      message(7) {
        $0.unsigned(1, UInt64(size))
        $0.duration(2, batch.computeInput)
        $0.duration(3, batch.computeInfer)
        $0.duration(4, batch.computeOutput)
      }
    }
    let memory = served.loaded.model.memoryByteCount
    if memory > 0 {
      message(8) {
        $0.string(1, "CPU")
        $0.unsigned(3, UInt64(memory))
      }
    }
  }

  private mutating func duration(_ field: Int, _ value: DurationCount) {
    message(field) {
      $0.unsigned(1, value.count)
      $0.unsigned(2, value.nanoseconds)
    }
  }
}
