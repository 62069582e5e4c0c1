// SPDX-License-Identifier: Apache-2.0

/// Loss and accuracy since an epoch or an evaluation began.
struct TrainingTotals {
  private(set) var samples = 0
  private var lossSum = 0.0
  private var right = 0
  private var decisions = 0
  /// Numbers that the network gives for a sample.
  private let width: Int
  /// A regression has no accuracy.
  private let hasAccuracy: Bool

  init(_ network: Network) {
    width = network.answerShape.reduce(1, *)
    hasAccuracy = network.configuration.loss.labels != .targets
  }

  /// Adds a batch by its mean loss, and by its scores against the labels gathered last.
  mutating func add(
    loss: Float, scores: UnsafeRawBufferPointer, rows: Int, of batch: BatchGatherer
  ) {
    samples += rows
    lossSum += Double(loss) * Double(rows)
    if let agreement = batch.agreement(scores, rows: rows, width: width) {
      right += agreement.right
      decisions += agreement.decisions
    }
  }

  /// The mean loss so far.
  var loss: Double { lossSum / Double(max(1, samples)) }

  /// The means so far: `loss` and, for a classifier, `accuracy`.
  var metrics: [TrainingMetric] {
    let loss = TrainingMetric(name: "loss", value: loss)
    guard hasAccuracy else { return [loss] }
    let accuracy = Double(right) / Double(max(1, decisions))
    return [loss, TrainingMetric(name: "accuracy", value: accuracy)]
  }
}
