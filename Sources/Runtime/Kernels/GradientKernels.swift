// SPDX-License-Identifier: Apache-2.0
import CKernels

/// The kernels of gradient boosting, of one instruction set.
///
/// A gradient and a Hessian are fixed-point numbers packed in 64 bits, so that sums have the same
/// bits in any order and on every instruction set.
public struct GradientKernels: Sendable {
  // SAFETY: the table is immutable and lives as long as the process.
  nonisolated(unsafe) let kernels: UnsafePointer<mk_kernels>

  /// The kernels of an instruction set.
  public init(_ instructionSet: InstructionSet) {
    kernels = instructionSet.kernels
  }

  /// A leaf of a growing tree.
  public struct Leaf: Sendable {
    var node = mk_gradient_node()

    /// Describes a leaf.
    ///
    /// - Parameters:
    ///   - total: the packed sums of its gradients and Hessians, these below 2^31.
    ///   - gradientUnit: what one of the fixed-point gradients is worth.
    ///   - l2: added to the denominators; `categoryL2` too where categories are split.
    ///   - categorySmoothing: added to the Hessians by which categories are ordered.
    ///   - leastHessian: the fixed-point Hessian that each side of a split must have.
    public init(
      total: Int64, gradientUnit: Double, hessianUnit: Double, l2: Double, categoryL2: Double,
      categorySmoothing: Double, leastHessian: Int32
    ) {
      node.total = total
      node.gradient_unit = gradientUnit
      node.hessian_unit = hessianUnit
      node.l2 = l2
      node.category_l2 = categoryL2
      node.category_smoothing = categorySmoothing
      node.least_hessian = leastHessian
      node.least_score = -1
    }
  }

  /// Packs gradients and Hessians, times their factors, rounded to the nearest.
  public func pack(
    gradients: UnsafePointer<Float>, times gradientFactor: Double,
    hessians: UnsafePointer<Float>, times hessianFactor: Double, count: Int,
    into packed: UnsafeMutablePointer<Int64>
  ) {
    kernels.pointee.gradient_pack(
      packed, gradients, hessians, gradientFactor, hessianFactor, count)
  }

  /// Adds gradients to the histograms (8, 256) of a group of columns.
  ///
  /// - Parameters:
  ///   - codes: a word of eight codes for each row.
  ///   - rows: which rows the gradients are of; nil: 0, 1, 2, …
  public func addHistogram(
    _ histogram: UnsafeMutablePointer<Int64>, codes: UnsafePointer<UInt64>,
    rows: UnsafePointer<UInt32>?, gradients: UnsafePointer<Int64>, count: Int
  ) {
    kernels.pointee.gradient_histogram(histogram, codes, rows, gradients, count)
  }

  /// Subtracts `part` slot by slot.
  public func subtract(
    _ part: UnsafePointer<Int64>, from histogram: UnsafeMutablePointer<Int64>, count: Int
  ) {
    kernels.pointee.gradient_subtract(histogram, part, count)
  }

  /// The best split of a leaf along a column with codes in `0..<values` and missing ones; its score
  /// is −1 when there is none.
  public func split(
    _ leaf: Leaf, histogram: UnsafePointer<Int64>, values: Int, isCategorical: Bool
  ) -> TreeSplit {
    var split = TreeSplit()
    withUnsafePointer(to: leaf.node) { node in
      kernels.pointee.gradient_split(
        node, histogram, values, isCategorical ? 1 : 0, &split.split)
    }
    return split
  }

  /// Moves the rows that go left before the others, both in their order.
  ///
  /// - Parameters:
  ///   - codes: of the column in its group: its byte in the first row's word.
  ///   - scratch: as many elements as rows.
  /// - Returns: how many go left.
  public func partition(
    _ rows: UnsafeMutablePointer<UInt32>, count: Int, codes: UnsafePointer<UInt8>,
    by split: TreeSplit, scratch: UnsafeMutablePointer<UInt32>
  ) -> Int {
    withUnsafePointer(to: split.split) { split in
      kernels.pointee.gradient_partition(rows, scratch, count, codes, split)
    }
  }

  /// Turns rows of scores into probabilities, in place.
  public func softmax(_ scores: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    kernels.pointee.softmax(scores, scores, rows, columns)
  }
}

extension Philox {
  /// Words `first ..< first + count` of the stream, by the vectorized generator.
  public func fill(
    _ words: UnsafeMutableBufferPointer<UInt32>, first: UInt64, on instructionSet: InstructionSet
  ) {
    guard let base = words.baseAddress else { return }
    var stream = kernelStream
    instructionSet.kernels.pointee.random_bits(base, &stream, first, words.count)
  }
}
