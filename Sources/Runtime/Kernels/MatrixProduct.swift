// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A product of matrices C(M, N) = A(M, K) · B(K, N) on the calling thread, in single precision.
///
/// Made once for a shape and run many times. An element's bits depend on the shape and the
/// instruction set alone.
public struct MatrixProduct: Sendable {
  let m: Int
  let n: Int
  let k: Int
  let aRowStride: Int
  let aColumnStride: Int
  let bIsTransposed: Bool
  let bStride: Int
  let instructionSet: InstructionSet

  /// Describes a product; strides count elements.
  ///
  /// - Parameters:
  ///   - aRowStride: from row to row of A, as `aColumnStride` from column to column; one should be 1.
  ///   - bIsTransposed: whether B lies as (N, K).
  public init(
    m: Int, n: Int, k: Int, aRowStride: Int, aColumnStride: Int = 1, bIsTransposed: Bool = false,
    bStride: Int, instructionSet: InstructionSet
  ) {
    self.m = m
    self.n = n
    self.k = k
    self.aRowStride = aRowStride
    self.aColumnStride = aColumnStride
    self.bIsTransposed = bIsTransposed
    self.bStride = bStride
    self.instructionSet = instructionSet
  }

  var form: mk_operand_form {
    mk_operand_form(bIsTransposed ? MK_OPERAND_TRANSPOSED : MK_OPERAND_ROWS)
  }

  /// Floats of scratch memory that a run needs.
  public var scratchCount: Int {
    instructionSet.productScratch(
      m: m, n: n, k: k, aRowStride: aRowStride, aColumnStride: aColumnStride, bForm: Int(form),
      bStride: bStride)
  }

  /// Computes C, or adds to it.
  ///
  /// - Parameters:
  ///   - rows: how many rows of A and C there are now, at most M.
  ///   - depth: how much of K there is now, at most K.
  ///   - bias: added to every row of C, (N).
  ///   - scratch: `scratchCount` floats for the time of the call.
  public func run(
    a: UnsafePointer<Float>, b: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>,
    cStride: Int, rows: Int? = nil, depth: Int? = nil, bias: UnsafePointer<Float>? = nil,
    accumulate: Bool = false, scratch: UnsafeMutablePointer<Float>
  ) {
    let rows = rows ?? m
    var product = mk_gemm(
      m: rows, n: n, k: depth ?? k, a: a, a_row_stride: aRowStride,
      a_column_stride: aColumnStride, b: b, b_form: form, b_stride: bStride, c: c,
      c_stride: cStride, bias: bias, activation: mk_activation(MK_ACTIVATION_NONE),
      accumulate: accumulate ? 1 : 0, gate: nil, gate_stride: 0)
    instructionSet.kernels.pointee.gemm(&product, 0, rows, 0, n, scratch)
  }
}

extension InstructionSet {
  /// Softmax of each row of x (rows, columns); in place allowed.
  public func softmax(
    _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, rows: Int, columns: Int
  ) {
    kernels.pointee.softmax(out, x, rows, columns)
  }

  /// Each row's log loss against its label, and, unless nil, `scale` times its gradient along the
  /// logits.
  public func softmaxCrossEntropy(
    losses: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>?,
    logits: UnsafePointer<Float>, labels: UnsafePointer<Int32>, scale: Float, rows: Int,
    columns: Int
  ) {
    kernels.pointee.softmax_cross_entropy(losses, gradient, logits, labels, scale, rows, columns)
  }

  /// out = exp(x), in place allowed.
  public func exponential(
    _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, count: Int
  ) {
    kernels.pointee.exponential(out, x, count)
  }

  /// out (columns) = the sums of x (rows, columns) over its rows, in their order.
  public func columnSums(
    _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, stride: Int, rows: Int,
    columns: Int, accumulate: Bool = false
  ) {
    kernels.pointee.column_sums(out, x, stride, rows, columns, accumulate ? 1 : 0)
  }

  /// The sum of squares of a flat array.
  public func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Float {
    kernels.pointee.sum_of_squares(x, count)
  }

  /// out += factor * x.
  public func addScaled(
    _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, factor: Float, count: Int
  ) {
    kernels.pointee.axpy(out, x, factor, count)
  }
}
