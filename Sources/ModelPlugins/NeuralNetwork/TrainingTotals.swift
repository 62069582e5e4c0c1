// SPDX-License-Identifier: Apache-2.0

/// Loss and accuracy since an epoch or an evaluation began.
struct TrainingTotals {
  private(set) var samples = 0
  private var lossSum = 0.0
  private var correct = 0
  /// nil for a regression, which has no accuracy.
  private let classes: Int?

  init(_ network: Network) {
    classes = network.configuration.loss == .crossEntropy ? network.classCount : nil
  }

  /// Adds a batch by its mean loss, and by its scores against the labels gathered last.
  mutating func add(
    loss: Float, scores: UnsafeRawBufferPointer, rows: Int, of batch: BatchGatherer
  ) {
    samples += rows
    lossSum += Double(loss) * Double(rows)
    if let classes { correct += batch.correctCount(scores, rows: rows, classes: classes) }
  }

  /// The means so far: `loss` and, for a classifier, `accuracy`.
  var metrics: [TrainingMetric] {
    let count = Double(max(1, samples))
    let loss = TrainingMetric(name: "loss", value: lossSum / count)
    guard classes != nil else { return [loss] }
    return [loss, TrainingMetric(name: "accuracy", value: Double(correct) / count)]
  }
}
