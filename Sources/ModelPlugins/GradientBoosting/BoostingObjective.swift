// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The loss that boosting makes less of, with its gradients and Hessians along the scores.
///
/// - Regression: (s − y)² / 2, g = s − y, h = 1.
/// - Two classes: −log p of the row's class with p = 1 / (1 + e^−s); g = p − y, h = p (1 − p).
/// - K classes: −log p with p = softmax(s); g_k = p_k − [y = k], h_k = K / (K − 1) · p_k (1 − p_k)
///   (as LightGBM's; the factor makes up for the scores that could all grow together).
enum BoostingObjective: Sendable {
  case squaredError([Float])
  case logistic([Int32])
  case softmax([Int32], classes: Int)

  /// Scores of a row, and trees of a round.
  var outputs: Int {
    if case .softmax(_, let classes) = self { classes } else { 1 }
  }

  /// Whether every Hessian is 1.
  var hasConstantHessian: Bool {
    if case .squaredError = self { true } else { false }
  }

  /// The scores that fit best without a tree, over the rows that are learned from.
  func start(_ rows: [UInt32]) -> [Double] {
    let count = Double(max(rows.count, 1))
    switch self {
    case .squaredError(let targets):
      return [rows.reduce(0.0) { $0 + Double(targets[Int($1)]) } / count]
    case .logistic(let labels):
      let share = Double(rows.count { labels[Int($0)] == 1 }) / count
      let bounded = min(max(share, 1e-15), 1 - 1e-15)
      return [Logarithm.natural(bounded / (1 - bounded))]
    case .softmax(let labels, let classes):
      var counts = [Double](repeating: 0, count: classes)
      for row in rows { counts[Int(labels[Int(row)])] += 1 }
      return counts.map { Logarithm.natural(max($0 / count, 1e-15)) }
    }
  }

  /// Sets the gradients and Hessians (outputs, rows) of some rows.
  ///
  /// - Parameters:
  ///   - scores: (outputs, rows), `rowCount` elements an output.
  /// - Returns: the sums of the rows' losses and of the rows right, those for validation apart.
  func differentiate(
    _ rows: Range<Int>, of rowCount: Int, scores: UnsafePointer<Double>,
    isValidation: UnsafePointer<Bool>, gradients: UnsafeMutablePointer<Float>,
    hessians: UnsafeMutablePointer<Float>
  ) -> BoostingLoss {
    var loss = BoostingLoss()
    switch self {
    case .squaredError(let targets):
      for row in rows {
        let error = scores[row] - Double(targets[row])
        gradients[row] = Float(error)
        hessians[row] = 1
        loss.add(error * error, isRight: false, isValidation: isValidation[row])
      }
    case .logistic(let labels):
      for row in rows {
        let y = Double(labels[row])
        let p = Probability.logistic(scores[row])
        gradients[row] = Float(p - y)
        hessians[row] = Float(p * (1 - p))
        loss.add(
          -Logarithm.natural(max(y == 1 ? p : 1 - p, 1e-15)), isRight: (p > 0.5) == (y == 1),
          isValidation: isValidation[row])
      }
    case .softmax(let labels, let classes):
      let factor = Double(classes) / Double(classes - 1)
      withUnsafeTemporaryAllocation(of: Double.self, capacity: classes) { p in
        guard let p = p.baseAddress else { return }
        for row in rows {
          for k in 0..<classes { p[k] = scores[k &* rowCount &+ row] }
          Probability.softmax(p, count: classes)
          let label = Int(labels[row])
          var best = 0
          for k in 0..<classes {
            gradients[k &* rowCount &+ row] = Float(k == label ? p[k] - 1 : p[k])
            hessians[k &* rowCount &+ row] = Float(factor * p[k] * (1 - p[k]))
            if p[k] > p[best] { best = k }
          }
          loss.add(
            -Logarithm.natural(max(p[label], 1e-15)), isRight: best == label,
            isValidation: isValidation[row])
        }
      }
    }
    return loss
  }

  /// How the trees' sums become an answer.
  func answer(_ start: [Double]) -> TreeAnswer {
    switch self {
    case .squaredError: .sum(start: start[0])
    case .logistic: .logistic(start: start[0])
    case .softmax: .softmax(start: start)
    }
  }
}

/// Losses of rows, added up.
struct BoostingLoss: Sendable {
  private var sums = (training: 0.0, validation: 0.0)
  private var right = (training: 0, validation: 0)
  private var rows = (training: 0, validation: 0)

  mutating func add(_ loss: Double, isRight: Bool, isValidation: Bool) {
    if isValidation {
      sums.validation += loss
      right.validation += isRight ? 1 : 0
      rows.validation += 1
    } else {
      sums.training += loss
      right.training += isRight ? 1 : 0
      rows.training += 1
    }
  }

  /// Adds the losses of other rows.
  mutating func add(_ other: BoostingLoss) {
    sums.training += other.sums.training
    sums.validation += other.sums.validation
    right.training += other.right.training
    right.validation += other.right.validation
    rows.training += other.rows.training
    rows.validation += other.rows.validation
  }

  /// The mean over the training rows.
  var training: Double { sums.training / Double(max(rows.training, 1)) }
  /// The mean over the rows held back; nil where there are none.
  var validation: Double? {
    rows.validation > 0 ? sums.validation / Double(rows.validation) : nil
  }
  /// The share of training rows whose class has the highest score.
  var accuracy: Double { Double(right.training) / Double(max(rows.training, 1)) }
}
