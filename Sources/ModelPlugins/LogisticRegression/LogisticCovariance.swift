// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Standard errors of a logistic regression's parameters: roots of the diagonal of the inverse of
/// what the loss's second derivatives are at its minimum (Wald; McCullagh and Nelder, *Generalized
/// Linear Models*, 1989, section 4.4.2).
///
/// With an l2 penalty the penalty's own curvature is part of it, which makes them the deviations of
/// Laplace's approximation of the posterior. With one logit a class, adding the same to all of them
/// changes no probability; the pseudo-inverse then gives the errors of the solution whose
/// parameters add up to 0 over the classes, the one that is reported.
struct LogisticCovariance {
  let x: FeatureMatrix
  let classes: Int
  /// Subtracted from the columns before the inverse is taken.
  let means: [Double]
  let fitsIntercept: Bool
  /// Curvature that the penalty adds to each coefficient.
  let penaltyCurvature: Double
  let workers: WorkerPool
  let instructionSet: InstructionSet

  struct Errors {
    /// (logits, columns).
    var coefficients: [Double]
    var intercepts: [Double]
  }

  /// Parameters beyond which the inverse takes longer than the fit.
  static let maxParameters = 512
  /// Multiply-adds beyond which the matrix takes longer than the fit.
  private static let maxOperations = 2e10

  /// - Parameter probabilities: gives them, (rows, classes), at the minimum; asked only if needed.
  /// - Returns: nil where there would be too many parameters.
  func errors(_ probabilities: () -> [Float]) -> Errors? {
    let logits = classes == 2 ? 1 : classes
    let (n, d) = (x.rows, x.columns)
    let size = d + (fitsIntercept ? 1 : 0)
    let count = logits * size
    guard count <= Self.maxParameters,
      Double(n) * Double(d) * Double(d) * Double(logits * (logits + 1) / 2) <= Self.maxOperations
    else { return nil }
    let probabilities = normalized(probabilities())
    var information = [Double](repeating: 0, count: count * count)
    let gram = GramMatrix(workers: workers, instructionSet: instructionSet)
    let passes = RowPasses(workers: workers)
    for a in 0..<logits {
      for b in a..<logits {
        // -∂² log p / ∂z_a ∂z_b = p_a ([a = b] - p_b), of two classes p (1 - p).
        let weights = (0..<n).map { row -> Double in
          let p = probabilities[row * classes + (logits == 1 ? 1 : a)]
          let q = a == b ? 1 - p : probabilities[row * classes + b]
          return p * q
        }
        let sign = a == b ? 1.0 : -1.0
        let block = gram.compute(
          x.values, rows: n, columns: d, stride: d, shift: means,
          weights: weights.map { $0.squareRoot() })
        let sum = weights.reduce(0, +)
        let columnSums = passes.weightedColumnSums(of: x, weights: weights).enumerated()
          .map { $1 - sum * means[$0] }
        for i in 0..<size {
          for j in 0..<size {
            let value: Double
            switch (i < d, j < d) {
            case (true, true): value = block[i * d + j]
            case (true, false): value = columnSums[i]
            case (false, true): value = columnSums[j]
            case (false, false): value = sum
            }
            information[(a * size + i) * count + b * size + j] = sign * value
            information[(b * size + j) * count + a * size + i] = sign * value
          }
        }
      }
      for i in 0..<d { information[(a * size + i) * (count + 1)] += penaltyCurvature }
    }
    return errors(of: covariance(information, logits: logits), logits: logits)
  }

  /// In double precision, where they add up to 1 but for rounding: the null space of the matrix
  /// must be told from its small eigenvalues.
  private func normalized(_ probabilities: [Float]) -> [Double] {
    var result = probabilities.map { Double($0) }
    for row in 0..<x.rows {
      let own = row * classes..<(row + 1) * classes
      let sum = result[own].reduce(0, +)
      for index in own { result[index] /= sum }
    }
    return result
  }

  /// The pseudo-inverse, taken in variables of a like scale: one scale a column, so that what is
  /// equal over the classes stays so.
  private func covariance(_ information: [Double], logits: Int) -> [Double] {
    let size = x.columns + (fitsIntercept ? 1 : 0)
    let count = logits * size
    let scales = (0..<size).map { i in
      let sum = (0..<logits).reduce(0.0) { $0 + information[($1 * size + i) * (count + 1)] }
      return sum > 0 ? (sum / Double(logits)).squareRoot() : 1
    }
    func scaled(_ matrix: [Double]) -> [Double] {
      matrix.indices.map {
        matrix[$0] / (scales[$0 / count % size] * scales[$0 % count % size])
      }
    }
    return scaled(SymmetricMatrix.pseudoInverse(scaled(information), count: count))
  }

  /// The errors in the data's own units.
  private func errors(of covariance: [Double], logits: Int) -> Errors {
    let d = x.columns
    let size = d + (fitsIntercept ? 1 : 0)
    let count = logits * size
    var errors = Errors(coefficients: [], intercepts: [])
    for logit in 0..<logits {
      let start = logit * size
      func element(_ i: Int, _ j: Int) -> Double { covariance[(start + i) * count + start + j] }
      errors.coefficients += (0..<d).map {
        max(0, element($0, $0)).squareRoot()
      }
      guard fitsIntercept else {
        errors.intercepts.append(.nan)
        continue
      }
      // The intercept at 0 is that at the means less Σ mean · coefficient.
      var variance = element(d, d)
      for i in 0..<d {
        variance -= 2 * means[i] * element(i, d)
        for j in 0..<d { variance += means[i] * element(i, j) * means[j] }
      }
      errors.intercepts.append(max(0, variance).squareRoot())
    }
    return errors
  }
}
