// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Lasso and elastic net on the few columns that matter: coordinate descent on the Gram matrix of a
/// working set, then a look at all columns for those that break the optimality conditions, which
/// join it (Tibshirani et al., "Strong rules for discarding predictors in lasso-type problems", 2012,
/// section 7; Massias, Gramfort and Salmon, "Celer: a fast solver for the lasso with dual
/// extrapolation", 2018, for sets that grow by doubling).
///
/// A Gram matrix of k of d columns costs (k / d)² of the whole one. When half of the columns have
/// joined, the rest does too.
struct WorkingSet {
  let x: FeatureMatrix
  /// Subtracted from each column; zeros without an intercept.
  let means: [Double]
  /// The target less its mean.
  let target: [Double]
  /// Xᵀ target, of the centred columns.
  let products: [Double]
  let l1: Double
  let l2: Double
  let passes: RowPasses
  let gramMatrix: GramMatrix

  /// The least that a working set begins with.
  private static let leastCount = 64

  /// - Returns: as `CoordinateDescent.solve` over all columns, with the sweeps of all rounds.
  func solve(
    maxSweeps: Int, tolerance: Double, isCancelled: () -> Bool
  ) -> CoordinateDescent.Solution {
    let d = x.columns
    let targetSquares = target.reduce(0) { $0 + $1 * $1 }
    var result = CoordinateDescent.Solution(
      coefficients: [Double](repeating: 0, count: d), sweeps: 0, dualityGap: .infinity)
    // How far each column's product with the residuals is from what the penalty holds down.
    var slopes = products
    var set: [Int] = []
    var wanted = max(Self.leastCount, d / 4)
    while !isCancelled() {
      set = grown(set, by: slopes, to: wanted)
      let part = Part(x, columns: set, workers: passes.workers)
      let shift = set.map { means[$0] }
      let gram = withExtendedLifetime(part) {
        gramMatrix.compute(
          part.values, rows: x.rows, columns: set.count, stride: set.count, shift: shift,
          isCancelled: isCancelled)
      }
      let found = CoordinateDescent.solve(
        gram: gram, products: set.map { products[$0] },
        initial: set.map { result.coefficients[$0] }, targetSquares: targetSquares, l1: l1, l2: l2,
        maxSweeps: max(1, maxSweeps - result.sweeps), tolerance: tolerance,
        isCancelled: isCancelled)
      for (index, column) in set.enumerated() {
        result.coefficients[column] = found.coefficients[index]
      }
      result.sweeps += found.sweeps
      result.dualityGap = found.dualityGap
      if set.count == d || result.sweeps >= maxSweeps { break }
      slopes = self.slopes(part, shift: shift, coefficients: found.coefficients)
      let isIn = Set(set)
      // A column outside breaks the conditions where its slope is beyond the penalty's.
      let breaking = slopes.indices.count {
        !isIn.contains($0) && abs(slopes[$0]) > l1 * (1 + tolerance)
      }
      if breaking == 0 { break }
      wanted = min(2 * set.count, set.count + max(breaking, set.count / 4))
    }
    return result
  }

  /// The set with the columns of the steepest slopes that it does not have, in their order.
  private func grown(_ set: [Int], by slopes: [Double], to wanted: Int) -> [Int] {
    if 2 * wanted >= slopes.count { return Array(slopes.indices) }
    let isIn = Set(set)
    let others = slopes.indices.filter { !isIn.contains($0) }.sorted {
      abs(slopes[$0]) != abs(slopes[$1]) ? abs(slopes[$0]) > abs(slopes[$1]) : $0 < $1
    }
    return (set + others.prefix(max(0, wanted - set.count))).sorted()
  }

  /// Xᵀ(y - Xw) of all columns, from the residuals of the data themselves.
  private func slopes(_ part: Part, shift: [Double], coefficients: [Double]) -> [Double] {
    let intercept = zip(coefficients, shift).reduce(0) { $0 - $1.0 * $1.1 }
    let k = coefficients.count
    var residuals = target
    let parts = RowPasses.parts(of: x.rows)
    residuals.withUnsafeMutableBufferPointer { buffer in
      coefficients.withUnsafeBufferPointer { coefficients in
        guard let base = buffer.baseAddress, let weights = coefficients.baseAddress else { return }
        // SAFETY: each part writes its own rows.
        nonisolated(unsafe) let (out, weights2) = (base, weights)
        passes.workers.parallelFor(parts.count) { index in
          for row in parts[index] {
            out[row] -= intercept + dot(part.values + row * k, weights2, count: k)
          }
        }
      }
    }
    let sum = residuals.reduce(0, +)
    return passes.weightedColumnSums(of: x, weights: residuals).enumerated()
      .map { $1 - sum * means[$0] }
  }

  /// Some columns of a matrix side by side, (rows, columns).
  private final class Part: @unchecked Sendable {
    // SAFETY: written in `init` alone.
    let values: UnsafePointer<Float>
    private let memory: UnsafeMutablePointer<Float>

    init(_ x: FeatureMatrix, columns: [Int], workers: WorkerPool) {
      let memory = UnsafeMutablePointer<Float>.allocate(capacity: max(1, x.rows * columns.count))
      self.memory = memory
      values = UnsafePointer(memory)
      let parts = RowPasses.parts(of: x.rows)
      columns.withUnsafeBufferPointer { columns in
        // SAFETY: each part writes its own rows.
        nonisolated(unsafe) let (out, columns) = (memory, columns)
        workers.parallelFor(parts.count) { part in
          for row in parts[part] {
            let (source, target) = (x.values + row * x.columns, out + row * columns.count)
            for index in columns.indices { target[index] = source[columns[index]] }
          }
        }
      }
    }

    deinit { memory.deallocate() }
  }
}
