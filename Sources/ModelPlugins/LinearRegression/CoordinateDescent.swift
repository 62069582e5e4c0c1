// SPDX-License-Identifier: Apache-2.0

/// Elastic net by cyclic coordinate descent on the Gram matrix (Friedman, Hastie and Tibshirani,
/// "Regularization paths for generalized linear models via coordinate descent", 2010, covariance
/// updates): minimises ‖y - Xw‖² / 2 + l1 ‖w‖₁ + l2 / 2 ‖w‖².
enum CoordinateDescent {
  struct Solution {
    var coefficients: [Double]
    var sweeps: Int
    /// An upper bound of how far the objective is from its least value.
    var dualityGap: Double
  }

  /// - Parameters:
  ///   - gram: XᵀX, (n, n).
  ///   - products: Xᵀy.
  ///   - initial: where to begin.
  ///   - tolerance: the duality gap to reach, as a part of yᵀy.
  static func solve(
    gram: [Double], products: [Double], initial: [Double], targetSquares: Double, l1: Double,
    l2: Double, maxSweeps: Int, tolerance: Double, isCancelled: () -> Bool
  ) -> Solution {
    let n = products.count
    var w = initial
    // Xᵀ(y - Xw)
    var residual = products
    for j in 0..<n where w[j] != 0 {
      for i in 0..<n { residual[i] -= w[j] * gram[j * n + i] }
    }
    var gap = Double.infinity
    var sweeps = 0
    gram.withUnsafeBufferPointer { gram in
      w.withUnsafeMutableBufferPointer { w in
        residual.withUnsafeMutableBufferPointer { residual in
          while sweeps < maxSweeps, !isCancelled() {
            sweeps += 1
            var largestChange = 0.0
            var largest = 0.0
            for j in 0..<n {
              let diagonal = gram[j &* n &+ j]
              guard diagonal > 0 else { continue }
              let old = w[j]
              let z = residual[j] + diagonal * old
              let new = (z > l1 ? z - l1 : z < -l1 ? z + l1 : 0) / (diagonal + l2)
              largest = max(largest, abs(new))
              guard new != old else { continue }
              let change = new - old
              w[j] = new
              largestChange = max(largestChange, abs(change))
              let row = j &* n
              for i in 0..<n { residual[i] -= change * gram[row &+ i] }
            }
            guard largest == 0 || largestChange <= tolerance * largest || sweeps == maxSweeps
            else { continue }
            gap = dualityGap(
              UnsafeBufferPointer(w), UnsafeBufferPointer(residual), products, targetSquares, l1,
              l2)
            if gap <= tolerance * targetSquares { break }
          }
        }
      }
    }
    return Solution(coefficients: w, sweeps: sweeps, dualityGap: gap)
  }

  /// Kim et al., "An interior-point method for large-scale l1-regularized least squares", 2007, with
  /// the l2 part as further rows of X.
  private static func dualityGap(
    _ w: UnsafeBufferPointer<Double>, _ residual: UnsafeBufferPointer<Double>,
    _ products: [Double], _ targetSquares: Double, _ l1: Double, _ l2: Double
  ) -> Double {
    var (wq, wr, ww, absolute, dual) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for j in products.indices {
      wq += w[j] * products[j]
      wr += w[j] * residual[j]
      ww += w[j] * w[j]
      absolute += abs(w[j])
      dual = max(dual, abs(residual[j] - l2 * w[j]))
    }
    // ‖y - Xw‖² = yᵀy - wᵀXᵀy - wᵀXᵀ(y - Xw), and (y - Xw)ᵀy = yᵀy - wᵀXᵀy
    let squares = max(0, targetSquares - wq - wr)
    let factor = dual > l1 && dual > 0 ? l1 / dual : 1
    let primal = squares / 2 + l1 * absolute + l2 / 2 * ww
    let dualValue =
      factor * (targetSquares - wq) - factor * factor / 2 * (squares + l2 * ww)
    return primal - dualValue
  }
}
