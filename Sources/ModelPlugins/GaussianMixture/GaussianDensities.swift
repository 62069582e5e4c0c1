// SPDX-License-Identifier: Apache-2.0
import Glibc
import Runtime

/// Weighted log densities of rows under Gaussian components.
///
/// A component's density is taken from y = P (x - mean), where P is the inverse of its covariance's
/// Cholesky factor: one product for a block of rows, or one multiplication a column where the
/// covariance is diagonal.
struct GaussianDensities: Sendable {
  let count: Int
  let columns: Int
  private let means: [Double]
  /// Of each component: P (columns, columns), lower triangle, or its diagonal.
  private let precisions: [Float]
  private let isDiagonal: Bool
  /// log weight + log det P - columns / 2 · log 2π.
  private let constants: [Double]
  private let instructionSet: InstructionSet

  static let blockRows = 256

  var memoryByteCount: Int { precisions.count * 4 + means.count * 8 }

  /// - Parameters:
  ///   - means: (components, columns).
  ///   - covariances: (components, columns, columns), or (components, columns) where diagonal.
  /// - Throws: `.aborted` for a covariance that is not positive definite.
  init(
    weights: [Double], means: [Double], covariances: [Double], isDiagonal: Bool, columns d: Int,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    count = weights.count
    columns = d
    self.means = means
    self.isDiagonal = isDiagonal
    self.instructionSet = instructionSet
    var precisions: [Float] = []
    var constants: [Double] = []
    for component in weights.indices {
      var logDeterminant = 0.0
      if isDiagonal {
        for column in 0..<d {
          let variance = covariances[component * d + column]
          guard Self.isPositive(variance, mean: means[component * d + column]) else {
            throw Self.degenerate(component)
          }
          precisions.append(Float(1 / variance.squareRoot()))
          logDeterminant -= log(variance) / 2
        }
      } else {
        let matrix = Array(covariances[component * d * d..<(component + 1) * d * d])
        for column in 0..<d {
          guard
            Self.isPositive(matrix[column * d + column], mean: means[component * d + column])
          else { throw Self.degenerate(component) }
        }
        let (factor, dependent) = SymmetricMatrix.cholesky(matrix, count: d, tolerance: 1e-14)
        guard dependent.isEmpty else { throw Self.degenerate(component) }
        precisions += SymmetricMatrix.inverseOfLower(factor, count: d).map { Float($0) }
        for column in 0..<d { logDeterminant -= log(factor[column * d + column]) }
      }
      constants.append(
        log(max(weights[component], 1e-300)) + logDeterminant - Double(d) / 2 * log(2 * Double.pi))
    }
    self.precisions = precisions
    self.constants = constants
  }

  /// Whether a variance is more than the rounding of its mean.
  private static func isPositive(_ variance: Double, mean: Double) -> Bool {
    variance > 1e-24 * mean * mean && variance > 0
  }

  private static func degenerate(_ component: Int) -> PluginError {
    PluginError(
      .aborted,
      "component \(component) has a covariance that is not positive definite; raise"
        + " configuration.regularization, or ask for fewer components")
  }

  private var product: MatrixProduct {
    MatrixProduct(
      m: Self.blockRows, n: columns, k: columns, aRowStride: columns, bIsTransposed: true,
      bStride: columns, instructionSet: instructionSet)
  }

  /// Floats that `logDensities` needs.
  var scratchCount: Int {
    max(1, 2 * Self.blockRows * columns + (isDiagonal ? 0 : product.scratchCount))
  }

  /// Fills (rows, components) with log(weight · density).
  ///
  /// - Precondition: at most `blockRows` rows.
  func logDensities(
    _ x: UnsafePointer<Float>, rows: Int, into out: UnsafeMutablePointer<Double>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let d = columns
    let centred = scratch
    let projected = scratch + Self.blockRows * d
    precisions.withUnsafeBufferPointer { precisions in
      guard let base = precisions.baseAddress else { return }
      for component in 0..<count {
        for row in 0..<rows {
          for column in 0..<d {
            centred[row &* d &+ column] = Float(
              Double(x[row &* d &+ column]) - means[component &* d &+ column])
          }
        }
        if isDiagonal {
          let scales = base + component * d
          for row in 0..<rows {
            for column in 0..<d {
              projected[row &* d &+ column] = centred[row &* d &+ column] * scales[column]
            }
          }
        } else {
          product.run(
            a: centred, b: base + component * d * d, into: projected, cStride: d, rows: rows,
            scratch: projected + Self.blockRows * d)
        }
        for row in 0..<rows {
          let squares = instructionSet.sumOfSquares(projected + row * d, count: d)
          out[row * count + component] = constants[component] - Double(squares) / 2
        }
      }
    }
  }

  /// Turns log densities of one row into probabilities; returns the log of their sum.
  static func normalise(_ values: UnsafeMutablePointer<Double>, count: Int) -> Double {
    var largest = values[0]
    for index in 1..<max(1, count) { largest = max(largest, values[index]) }
    var sum = 0.0
    for index in 0..<count {
      values[index] = exp(values[index] - largest)
      sum += values[index]
    }
    for index in 0..<count { values[index] /= sum }
    return largest + log(sum)
  }

  /// Reads what a fit exports.
  init(
    _ bundle: TensorBundle, columns: Int, instructionSet: InstructionSet
  ) throws(PluginError) {
    let weights = try bundle.values("weights", as: Double.self)
    let k = weights.count
    guard k >= 1 else {
      throw PluginError(.dataLoss, "weights.safetensors: expected a component or more")
    }
    let isDiagonal = bundle.shape(of: "covariances")?.count == 2
    try self.init(
      weights: weights, means: try bundle.values("means", shape: [k, columns]),
      covariances: try bundle.values(
        "covariances", shape: isDiagonal ? [k, columns] : [k, columns, columns]),
      isDiagonal: isDiagonal, columns: columns, instructionSet: instructionSet)
  }
}
