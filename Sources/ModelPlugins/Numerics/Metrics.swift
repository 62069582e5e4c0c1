// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Measures of a classifier and of a regression, as scikit-learn defines them.
enum Metrics {
  /// `accuracy`, `loss` (mean log loss), `roc_auc` and `average_precision`.
  ///
  /// The last two are those of class 1 of two; of more classes, the mean over the classes that have
  /// rows, each against the rest.
  ///
  /// - Parameters:
  ///   - probabilities: (rows, classes).
  ///   - ranks: whether `roc_auc` and `average_precision` are wanted, which take sorting.
  static func classification(
    _ probabilities: UnsafePointer<Float>, labels: [Int32], classes: Int, ranks: Bool = true
  ) -> [TrainingMetric] {
    var (loss, correct) = (0.0, 0)
    for (row, label) in labels.enumerated() {
      let scores = probabilities + row * classes
      var best = 0
      for index in 1..<classes where scores[index] > scores[best] { best = index }
      if best == Int(label) { correct += 1 }
      // Clipped as a single-precision probability may round to 0.
      loss -= log(max(Double(scores[Int(label)]), 1e-30))
    }
    let count = Double(max(1, labels.count))
    let metrics = [
      TrainingMetric(name: "loss", value: loss / count),
      TrainingMetric(name: "accuracy", value: Double(correct) / count),
    ]
    guard ranks else { return metrics }
    var rankings: [Ranking] = []
    for target in classes == 2 ? [1] : Array(0..<classes) {
      let samples = labels.indices.map { row in
        Ranking.Sample(
          score: probabilities[row &* classes &+ target], isPositive: labels[row] == target)
      }
      if let ranking = Ranking(samples) { rankings.append(ranking) }
    }
    guard !rankings.isEmpty else { return metrics }
    let mean = 1 / Double(rankings.count)
    return metrics + [
      TrainingMetric(name: "roc_auc", value: rankings.reduce(0) { $0 + $1.rocAUC } * mean),
      TrainingMetric(
        name: "average_precision", value: rankings.reduce(0) { $0 + $1.averagePrecision } * mean),
    ]
  }

  /// `loss` (mean squared error), `rmse`, `mae` and `r2`.
  static func regression(_ predictions: [Double], targets: [Float]) -> [TrainingMetric] {
    let count = Double(max(1, targets.count))
    let mean = targets.reduce(0.0) { $0 + Double($1) } / count
    var (squares, absolute, spread) = (0.0, 0.0, 0.0)
    for (prediction, target) in zip(predictions, targets) {
      let error = prediction - Double(target)
      squares += error * error
      absolute += abs(error)
      spread += (Double(target) - mean) * (Double(target) - mean)
    }
    return [
      TrainingMetric(name: "loss", value: squares / count),
      TrainingMetric(name: "rmse", value: (squares / count).squareRoot()),
      TrainingMetric(name: "mae", value: absolute / count),
      TrainingMetric(name: "r2", value: spread > 0 ? 1 - squares / spread : 0),
    ]
  }
}
