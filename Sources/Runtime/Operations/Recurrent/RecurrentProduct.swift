// SPDX-License-Identifier: Apache-2.0
// U units; the working memory of a step is rows of blocks of U columns.

import CKernels

/// A product of some rows with packed weights, into a range of gates.
struct RecurrentProduct: Sendable {
  let range: GateRange
  let packed: Buffer
  let units: Int
  /// Blocks of units in a row of the working memory.
  let workingGates: Int

  /// Weights (depth, gates · U), each range packed for itself.
  ///
  /// - Parameter isTransposed: for products of gates with the weights' transpose.
  static func packed(
    _ cell: RecurrentCell, _ ranges: [GateRange], of weights: Graph.Value, units: Int,
    isTransposed: Bool = false, into program: inout ProgramBuilder
  ) throws(RuntimeError) -> [RecurrentProduct] {
    let isa = program.instructionSet
    let depth = program.type(of: weights).shape[0]
    let form = isTransposed ? MK_OPERAND_TRANSPOSED : MK_OPERAND_ROWS
    var products: [RecurrentProduct] = []
    for range in ranges {
      let width = range.count * units
      let (k, n) = isTransposed ? (width, depth) : (depth, width)
      let buffer = try program.packed(
        weights, layout: "recurrent \(range.column) \(range.count) \(isTransposed)",
        floats: isa.kernels.pointee.gemm_packed_size(k, n)
      ) { source, destination in
        Step(name: "pack", tiles: { _ in 1 }) { frame, _, _ in
          isa.kernels.pointee.gemm_pack(
            frame.floats(destination), frame.floats(source) + range.column * units,
            mk_operand_form(form), cell.gateCount * units, k, n, 0, n)
        }
      }
      products.append(
        RecurrentProduct(
          range: range, packed: buffer, units: units, workingGates: cell.workingGates))
    }
    return products
  }

  /// Scratch floats of the largest of these products of `rows` rows with `depth` columns on the left.
  static func scratch(
    _ products: [RecurrentProduct], isa: InstructionSet, rows: Int, depth: Int
  ) -> Int {
    products.map {
      isa.productScratch(
        m: rows, n: $0.range.count * $0.units, k: depth, aRowStride: depth,
        aColumnStride: 1, bForm: MK_OPERAND_PACKED, bStride: 0)
    }.max() ?? 0
  }

  /// working[range] (+)= rows (rows, depth) · weights + bias.
  func run(
    _ isa: InstructionSet, _ frame: borrowing Frame, rows: Int, depth: Int,
    _ left: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    to working: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let width = range.count * units
    var product = mk_gemm(
      m: rows, n: width, k: depth, a: left, a_row_stride: depth, a_column_stride: 1,
      b: frame.floats(packed), b_form: mk_operand_form(MK_OPERAND_PACKED), b_stride: 0,
      c: working + range.gate * units, c_stride: workingGates * units,
      bias: bias.map { $0 + range.column * units }, activation: Activation.none,
      accumulate: range.accumulates ? 1 : 0, gate: nil, gate_stride: 0)
    isa.kernels.pointee.gemm(&product, 0, rows, 0, width, scratch)
  }

  /// Scratch floats of the largest of these transposed products into `depth` columns.
  static func transposedScratch(
    _ products: [RecurrentProduct], isa: InstructionSet, rows: Int, depth: Int
  ) -> Int {
    products.map {
      isa.productScratch(
        m: rows, n: depth, k: $0.range.count * $0.units,
        aRowStride: $0.workingGates * $0.units, aColumnStride: 1, bForm: MK_OPERAND_PACKED,
        bStride: 0)
    }.max() ?? 0
  }

  /// result (rows, depth) (+)= working[range] · transposed weights.
  func runTransposed(
    _ isa: InstructionSet, _ frame: borrowing Frame, rows: Int, depth: Int,
    _ working: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>, stride: Int,
    accumulates: Bool, _ scratch: UnsafeMutablePointer<Float>
  ) {
    var product = mk_gemm(
      m: rows, n: depth, k: range.count * units, a: working + range.gate * units,
      a_row_stride: workingGates * units, a_column_stride: 1, b: frame.floats(packed),
      b_form: mk_operand_form(MK_OPERAND_PACKED), b_stride: 0, c: result, c_stride: stride,
      bias: nil, activation: Activation.none, accumulate: accumulates ? 1 : 0, gate: nil,
      gate_stride: 0)
    isa.kernels.pointee.gemm(&product, 0, rows, 0, depth, scratch)
  }
}

extension Frame {
  /// A buffer of INT32.
  func integers(_ buffer: Buffer) -> UnsafeMutablePointer<Int32> {
    raw(buffer).assumingMemoryBound(to: Int32.self)
  }
}
