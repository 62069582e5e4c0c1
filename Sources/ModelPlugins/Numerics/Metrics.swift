// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Measures of a classifier and of a regression, as scikit-learn defines them.
enum Metrics {
  /// `accuracy`, `loss` (mean log loss) and, of two classes, `roc_auc` and `average_precision`.
  ///
  /// - Parameter probabilities: (rows, classes).
  static func classification(
    _ probabilities: UnsafePointer<Float>, labels: [Int32], classes: Int
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
    var metrics = [
      TrainingMetric(name: "loss", value: loss / count),
      TrainingMetric(name: "accuracy", value: Double(correct) / count),
    ]
    if classes == 2 {
      let scores = labels.indices.map { probabilities[2 * $0 + 1] }
      metrics += ranking(scores, labels)
    }
    return metrics
  }

  /// Area under the ROC curve, and average precision, of scores for class 1; nothing where a class
  /// has no rows.
  static func ranking(_ scores: [Float], _ labels: [Int32]) -> [TrainingMetric] {
    let positives = labels.count { $0 == 1 }
    let negatives = labels.count - positives
    guard positives > 0, negatives > 0 else { return [] }
    let order = scores.indices.sorted { scores[$0] > scores[$1] }
    var (truePositives, falsePositives, area, precision) = (0, 0, 0.0, 0.0)
    var position = 0
    while position < order.count {
      // Equal scores are one step of the curve.
      var end = position
      var (ones, zeros) = (0, 0)
      while end < order.count, scores[order[end]] == scores[order[position]] {
        if labels[order[end]] == 1 { ones += 1 } else { zeros += 1 }
        end += 1
      }
      area += Double(zeros) * (Double(truePositives) + Double(ones) / 2)
      truePositives += ones
      falsePositives += zeros
      precision +=
        Double(ones) / Double(positives)
        * (Double(truePositives) / Double(truePositives + falsePositives))
      position = end
    }
    return [
      TrainingMetric(name: "roc_auc", value: area / (Double(positives) * Double(negatives))),
      TrainingMetric(name: "average_precision", value: precision),
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
