// SPDX-License-Identifier: Apache-2.0

/// One measurement of a training run.
public struct TrainingMetric: Sendable, Hashable {
  /// The name, such as `loss` or `accuracy`.
  public var name: String
  /// Its value.
  public var value: Double

  /// Makes a metric.
  public init(name: String, value: Double) {
    self.name = name
    self.value = value
  }
}

/// How far an epoch or an evaluation has come.
public struct TrainingProgress: Sendable, Hashable {
  /// Samples done in this call.
  public var samplesDone: Int
  /// Running means since the call began.
  public var metrics: [TrainingMetric]

  /// Makes a report.
  public init(samplesDone: Int, metrics: [TrainingMetric]) {
    self.samplesDone = samplesDone
    self.metrics = metrics
  }
}

/// How much memory a configuration takes; 0 means unknown.
public struct MemoryEstimate: Sendable, Hashable {
  /// Of one loaded model.
  public var inferenceByteCount: Int
  /// Of one trainer, without the data set.
  public var trainingByteCount: Int

  /// Makes an estimate.
  public init(inferenceByteCount: Int = 0, trainingByteCount: Int = 0) {
    self.inferenceByteCount = inferenceByteCount
    self.trainingByteCount = trainingByteCount
  }
}
