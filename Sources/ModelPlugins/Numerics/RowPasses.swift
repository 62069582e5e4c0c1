// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Passes over the rows of a matrix in double precision, cut by shape and added up in order.
struct RowPasses {
  let workers: WorkerPool
  /// Parts that a pass is cut into at most: enough for many threads, few enough for their sums.
  private static let maxParts = 64

  /// The parts of `rows`: at least 1,024 rows each, which depends on their number alone.
  static func parts(of rows: Int) -> [Range<Int>] {
    let size = max(1024, (rows + maxParts - 1) / maxParts)
    return stride(from: 0, to: rows, by: size).map { $0..<min(rows, $0 + size) }
  }

  /// Adds up what `body` adds to its part's sums, (count) doubles that begin at 0.
  func sums(
    rows: Int, count: Int, _ body: (Range<Int>, UnsafeMutablePointer<Double>) -> Void
  ) -> [Double] {
    let parts = Self.parts(of: rows)
    var partial = [Double](repeating: 0, count: max(1, parts.count * count))
    partial.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      // SAFETY: each part writes its own sums.
      nonisolated(unsafe) let sums = base
      workers.parallelFor(parts.count) { body(parts[$0], sums + $0 * count) }
    }
    var total = [Double](repeating: 0, count: count)
    for part in parts.indices {
      for index in 0..<count { total[index] += partial[part * count + index] }
    }
    return total
  }

  /// Σ x[row, :].
  func columnSums(of x: FeatureMatrix) -> [Double] {
    let columns = x.columns
    return sums(rows: x.rows, count: columns) { rows, sums in
      for row in rows {
        let values = x.values + row * columns
        for column in 0..<columns { sums[column] += Double(values[column]) }
      }
    }
  }

  /// Σ weights[row] · x[row, :].
  func weightedColumnSums(of x: FeatureMatrix, weights: [Double]) -> [Double] {
    let columns = x.columns
    return weights.withUnsafeBufferPointer { weights in
      sums(rows: x.rows, count: columns) { rows, sums in
        for row in rows {
          let values = x.values + row * columns
          let weight = weights[row]
          for column in 0..<columns { sums[column] += weight * Double(values[column]) }
        }
      }
    }
  }

  /// Σ x[row, :] and Σ weights[row] · x[row, :], in one pass.
  func columnSums(
    of x: FeatureMatrix, weights: [Double]
  ) -> (plain: [Double], weighted: [Double]) {
    let columns = x.columns
    let both = weights.withUnsafeBufferPointer { weights in
      sums(rows: x.rows, count: 2 * columns) { rows, sums in
        let weighted = sums + columns
        for row in rows {
          let values = x.values + row * columns
          let weight = weights[row]
          for column in 0..<columns {
            let value = Double(values[column])
            sums[column] += value
            weighted[column] += weight * value
          }
        }
      }
    }
    return (Array(both[..<columns]), Array(both[columns...]))
  }

  /// Σ residual · x[row, :] with the residuals y - x · coefficients - intercept, and their sum.
  func residualProducts(
    of x: FeatureMatrix, targets: [Float], coefficients: [Double], intercept: Double
  ) -> (products: [Double], sum: Double) {
    let columns = x.columns
    let found = coefficients.withUnsafeBufferPointer { coefficients in
      targets.withUnsafeBufferPointer { targets in
        sums(rows: x.rows, count: columns + 1) { rows, sums in
          guard let weights = coefficients.baseAddress else { return }
          for row in rows {
            let values = x.values + row * columns
            let residual =
              Double(targets[row]) - intercept - dot(values, weights, count: columns)
            for column in 0..<columns { sums[column] += residual * Double(values[column]) }
            sums[columns] += residual
          }
        }
      }
    }
    return (Array(found[..<columns]), found[columns])
  }

  /// Σ (x[row, :] - mean)².
  func squaredDeviations(of x: FeatureMatrix, means: [Double]) -> [Double] {
    let columns = x.columns
    return sums(rows: x.rows, count: columns) { rows, sums in
      for row in rows {
        let values = x.values + row * columns
        for column in 0..<columns {
          let deviation = Double(values[column]) - means[column]
          sums[column] += deviation * deviation
        }
      }
    }
  }

  /// ‖x[row, :]‖², row by row.
  func squares(of x: FeatureMatrix, instructionSet: InstructionSet) -> [Float] {
    var result = [Float](repeating: 0, count: x.rows)
    let parts = Self.parts(of: x.rows)
    result.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      // SAFETY: each part writes its own rows.
      nonisolated(unsafe) let out = base
      workers.parallelFor(parts.count) { part in
        for row in parts[part] {
          out[row] = instructionSet.sumOfSquares(x.values + row * x.columns, count: x.columns)
        }
      }
    }
    return result
  }

  /// x · coefficients + intercept, row by row.
  func predictions(
    of x: FeatureMatrix, coefficients: [Double], intercept: Double
  ) -> [Double] {
    var result = [Double](repeating: 0, count: x.rows)
    let parts = Self.parts(of: x.rows)
    result.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      // SAFETY: each part writes its own rows.
      nonisolated(unsafe) let out = base
      workers.parallelFor(parts.count) { part in
        coefficients.withUnsafeBufferPointer { coefficients in
          guard let weights = coefficients.baseAddress else { return }
          for row in parts[part] {
            out[row] = intercept + dot(x.values + row * x.columns, weights, count: x.columns)
          }
        }
      }
    }
    return result
  }
}

/// Σ x · w in double precision: eight interleaved sums, then those in order.
func dot(_ x: UnsafePointer<Float>, _ w: UnsafePointer<Double>, count: Int) -> Double {
  var sums = SIMD8<Double>.zero
  var index = 0
  while index &+ 8 <= count {
    let a = UnsafeRawPointer(x + index).loadUnaligned(as: SIMD8<Float>.self)
    let b = UnsafeRawPointer(w + index).loadUnaligned(as: SIMD8<Double>.self)
    sums += SIMD8<Double>(a) * b
    index &+= 8
  }
  var total = 0.0
  for lane in 0..<8 { total += sums[lane] }
  while index < count {
    total += Double(x[index]) * w[index]
    index &+= 1
  }
  return total
}

/// Σ a · b: eight interleaved sums, then those in order.
func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, count: Int) -> Double {
  var sums = SIMD8<Double>.zero
  var index = 0
  while index &+ 8 <= count {
    sums +=
      UnsafeRawPointer(a + index).loadUnaligned(as: SIMD8<Double>.self)
      * UnsafeRawPointer(b + index).loadUnaligned(as: SIMD8<Double>.self)
    index &+= 8
  }
  var total = 0.0
  for lane in 0..<8 { total += sums[lane] }
  while index < count {
    total += a[index] * b[index]
    index &+= 1
  }
  return total
}
