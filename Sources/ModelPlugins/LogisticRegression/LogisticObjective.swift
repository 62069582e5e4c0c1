// SPDX-License-Identifier: Apache-2.0
import Glibc
import Runtime

/// The mean log loss of a linear classifier and its gradient, in one pass over the rows.
///
/// Rows go in blocks that stay in the cache between the product for the logits and the one for the
/// gradient, so that the data is read from memory once. Of two classes there is one logit, that
/// of class 1.
final class LogisticObjective {
  /// Coefficients (logits, columns) and intercepts (logits): what the loss is a function of.
  struct Parameters {
    var coefficients: [Double]
    var intercepts: [Double]
  }

  struct Value {
    /// The mean log loss.
    var loss: Double
    var correct: Int
    /// Of the mean log loss, laid out as the parameters.
    var gradient: Parameters
  }

  let logits: Int
  let classes: Int
  private let x: FeatureMatrix
  private let labels: [Int32]
  private let workers: WorkerPool
  private let instructionSet: InstructionSet
  private let parts: [Range<Int>]
  private let forward: MatrixProduct
  private let backward: MatrixProduct
  private let scratchCount: Int
  private let floats: UnsafeMutablePointer<Float>

  /// Rows of a block: with 784 columns it fills most of a second-level cache.
  private static let blockRows = 256

  init(
    _ x: FeatureMatrix, labels: [Int32], classes: Int, workers: WorkerPool,
    instructionSet: InstructionSet
  ) {
    self.x = x
    self.labels = labels
    self.classes = classes
    self.workers = workers
    self.instructionSet = instructionSet
    logits = classes == 2 ? 1 : classes
    parts = RowPasses.parts(of: x.rows)
    // Z (rows, logits) = X W^T, and dW (logits, columns) = dZ^T X.
    forward = MatrixProduct(
      m: Self.blockRows, n: logits, k: x.columns, aRowStride: x.columns, bIsTransposed: true,
      bStride: x.columns, instructionSet: instructionSet)
    backward = MatrixProduct(
      m: logits, n: x.columns, k: Self.blockRows, aRowStride: 1, aColumnStride: logits,
      bStride: x.columns, instructionSet: instructionSet)
    scratchCount =
      max(forward.scratchCount, backward.scratchCount) + Self.blockRows * (2 * logits + 1)
    floats = .allocate(capacity: max(1, workers.threadCount * scratchCount))
  }

  deinit { floats.deallocate() }

  /// The loss at these parameters.
  func evaluate(_ parameters: Parameters) -> Value {
    let size = logits * x.columns
    let weights = parameters.coefficients.map { Float($0) }
    let bias = parameters.intercepts.map { Float($0) }
    // Of each part: its coefficients' gradient, its intercepts', its loss and its correct rows.
    var partial = [Float](repeating: 0, count: parts.count * size)
    var sums = [Double](repeating: 0, count: parts.count * (logits + 2))
    partial.withUnsafeMutableBufferPointer { partial in
      sums.withUnsafeMutableBufferPointer { sums in
        weights.withUnsafeBufferPointer { weights in
          bias.withUnsafeBufferPointer { bias in
            guard let gradients = partial.baseAddress, let sums = sums.baseAddress,
              let weights = weights.baseAddress, let bias = bias.baseAddress
            else { return }
            // SAFETY: each part writes its own gradient and sums, each worker its own scratch.
            nonisolated(unsafe) let (gradients2, sums2) = (gradients, sums)
            nonisolated(unsafe) let (weights2, bias2) = (weights, bias)
            workers.parallelTiles(parts.count) { part, worker in
              run(
                parts[part], weights2, bias2, gradient: gradients2 + part * size,
                sums: sums2 + part * (logits + 2), scratch: floats + worker * scratchCount)
            }
          }
        }
      }
    }
    return total(partial, sums)
  }

  private func run(
    _ rows: Range<Int>, _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>,
    gradient: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Double>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let z = scratch
    let dz = scratch + Self.blockRows * logits
    let losses = dz + Self.blockRows * logits
    let space = losses + Self.blockRows
    let scale = Float(1 / Double(x.rows))
    labels.withUnsafeBufferPointer { labels in
      guard let labels = labels.baseAddress else { return }
      for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.blockRows) {
        let count = min(Self.blockRows, rows.upperBound - start)
        let block = x.values + start * x.columns
        forward.run(
          a: block, b: weights, into: z, cStride: logits, rows: count, bias: bias, scratch: space)
        if logits == 1 {
          binary(z, labels + start, count, scale, dz, losses)
        } else {
          instructionSet.softmaxCrossEntropy(
            losses: losses, gradient: dz, logits: z, labels: labels + start, scale: scale,
            rows: count, columns: logits)
        }
        backward.run(
          a: dz, b: block, into: gradient, cStride: x.columns, depth: count, accumulate: true,
          scratch: space)
        for row in 0..<count {
          sums[logits] += Double(losses[row])
          var best = 0
          if logits == 1 {
            best = z[row] > 0 ? 1 : 0
          } else {
            for index in 1..<logits where z[row * logits + index] > z[row * logits + best] {
              best = index
            }
          }
          if best == Int(labels[start + row]) { sums[logits + 1] += 1 }
          for index in 0..<logits { sums[index] += Double(dz[row * logits + index]) }
        }
      }
    }
  }

  /// Loss log(1 + exp(-z)) of class 1 and its gradient, without overflow.
  private func binary(
    _ z: UnsafePointer<Float>, _ labels: UnsafePointer<Int32>, _ count: Int, _ scale: Float,
    _ gradient: UnsafeMutablePointer<Float>, _ losses: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<count {
      let value = Double(z[row])
      let small = exp(-abs(value))
      let probability = value >= 0 ? 1 / (1 + small) : small / (1 + small)
      let isOne = labels[row] == 1
      losses[row] = Float(log1p(small) + (isOne ? max(-value, 0) : max(value, 0)))
      gradient[row] = Float((probability - (isOne ? 1 : 0))) * scale
    }
  }

  private func total(_ partial: [Float], _ sums: [Double]) -> Value {
    let size = logits * x.columns
    var gradient = Parameters(
      coefficients: [Double](repeating: 0, count: size),
      intercepts: [Double](repeating: 0, count: logits))
    var (loss, correct) = (0.0, 0.0)
    for part in parts.indices {
      for index in 0..<size { gradient.coefficients[index] += Double(partial[part * size + index]) }
      let base = part * (logits + 2)
      for index in 0..<logits { gradient.intercepts[index] += sums[base + index] }
      loss += sums[base + logits]
      correct += sums[base + logits + 1]
    }
    return Value(loss: loss / Double(x.rows), correct: Int(correct), gradient: gradient)
  }
}
