// SPDX-License-Identifier: Apache-2.0
import Runtime

extension TreeTarget {
  /// A row as the kernels know it, counted `times` (a class only).
  func sample(_ row: Int, times: Int = 1) -> UInt64 {
    switch self {
    case .classes(let classes):
      UInt64(row) | UInt64(UInt16(classes.codes[row])) << 32 | UInt64(UInt16(clamping: times)) << 48
    case .numbers(let numbers): UInt64(row) | UInt64(numbers[row].bitPattern) << 32
    }
  }

  /// Every row of a range once.
  func fill(_ samples: UnsafeMutablePointer<UInt64>, rows: Range<Int>) {
    for row in rows { samples[row - rows.lowerBound] = sample(row) }
  }
}

extension TreeSettings {
  /// The target in the form that trees are grown for.
  ///
  /// - Parameter maxSamples: samples of one tree, repetitions included.
  /// - Throws: `.invalidArgument` for weights of classes that there are not.
  func growthTarget(
    _ target: TreeData.Target, maxSamples: Int
  ) throws(PluginError) -> TreeTarget {
    switch target {
    case .numbers(let numbers): return .numbers(numbers)
    case .classes(let labels):
      return .classes(
        ClassTarget(
          codes: labels.codes, impurity: criterion == .entropy ? .entropy : .gini,
          weights: try classWeight.weights(for: labels), maxSamples: maxSamples))
    }
  }

  /// What the criterion is called.
  func criterionName(_ task: TreeTask) -> String {
    (criterion ?? (task == .classification ? .gini : .squaredError)).rawValue
  }
}

extension GrownTree {
  /// How well the leaves fit the samples that they were grown on.
  func trainingMetrics(_ target: TreeTarget) -> [TrainingMetric] {
    guard let root = nodes.first else { return [] }
    switch target {
    case .numbers:
      let squares = zip(nodes, nodes.indices).reduce(0.0) {
        $1.0.isLeaf ? $0 + $1.0.impurity * $1.0.weight : $0
      }
      let loss = squares / root.weight
      return [
        TrainingMetric(name: "loss", value: loss),
        TrainingMetric(name: "rmse", value: loss.squareRoot()),
        TrainingMetric(name: "r2", value: root.impurity > 0 ? 1 - loss / root.impurity : 0),
      ]
    case .classes(let classes):
      var (loss, correct) = (0.0, 0.0)
      for (index, node) in nodes.enumerated() where node.isLeaf {
        var (best, bestCount) = (Float(-1), 0.0)
        for (code, share) in value(of: index).enumerated() where share > 0 {
          let count = Double(share) * node.weight / classes.weights[code]
          loss -= count * Logarithm.natural(Double(share))
          if share > best { (best, bestCount) = (share, count) }
        }
        correct += bestCount
      }
      return [
        TrainingMetric(name: "loss", value: loss / Double(root.samples)),
        TrainingMetric(name: "accuracy", value: correct / Double(root.samples)),
      ]
    }
  }
}
