// SPDX-License-Identifier: Apache-2.0
// K features in, N units, B samples.

import CKernels

/// The forward product of a dense layer, cut for the pool.
///
/// In inference the weights are packed once; in training, where they are used once between two changes,
/// a tile packs its own part in passing. A product with few results and a long K is cut along K, or its
/// tiles would all pack the same operands: partial products are then added in order.
struct DenseProduct {
  let inputs: Int
  let units: Int
  let activation: Activation?
  let isa: InstructionSet

  /// From here on K is cut, if a row of C fits in few panels.
  private static let longDepth = 2048
  /// K of a part.
  private static let partDepth = 1024
  private static let fewUnits = 256

  func emit(
    _ node: Graph.Node, bias: Graph.Value?, _ folded: FoldedNormalization?,
    tail: ResidualTail? = nil, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let x = try program.buffer(node.operands[0])
    let bias = try program.bias(folded, or: bias)
    let y = try program.buffer(node.results[0])
    let isPacked = program.mode == .inference
    let weights =
      isPacked
      ? try packed(node, from: folded?.weights, into: &program)
      : try program.buffer(node.operands[1])
    if parts.count > 1 {
      try emitParts(x: x, weights, isPacked, bias: bias, tail: tail, y: y, into: &program)
    } else {
      emitWhole(x: x, weights, isPacked, bias: bias, tail: tail, y: y, into: &program)
    }
  }

  /// The ranges of K.
  private var parts: [Range<Int>] {
    guard inputs >= Self.longDepth, units <= Self.fewUnits else { return [0..<inputs] }
    return (0..<Tiling.count(inputs, by: Self.partDepth)).map {
      Tiling.range($0, of: Self.partDepth, total: inputs)
    }
  }

  private func packed(
    _ node: Graph.Node, from folded: Buffer?, into program: inout ProgramBuilder
  ) throws(RuntimeError) -> Buffer {
    let (isa, units, parts) = (isa, units, parts)
    let sizes = parts.map { isa.kernels.pointee.gemm_packed_size($0.count, units) }
    let partSize = sizes.first ?? 0
    return try program.packed(
      node.operands[1], layout: "dense \(folded == nil ? [] : node.operands.dropFirst(2))",
      floats: sizes.reduce(0, +), from: folded
    ) { source, destination in
      Step(name: "pack", tiles: { _ in parts.count }) { frame, tile, _ in
        let part = parts[tile]
        isa.kernels.pointee.gemm_pack(
          frame.floats(destination) + tile * partSize,
          frame.floats(source) + part.lowerBound * units, mk_operand_form(MK_OPERAND_ROWS), units,
          part.count, units, 0, units)
      }
    }
  }

  private func emitWhole(
    x: Buffer, _ weights: Buffer, _ isPacked: Bool, bias: Buffer?, tail: ResidualTail?, y: Buffer,
    into program: inout ProgramBuilder
  ) {
    let (isa, inputs, units) = (isa, inputs, units)
    let code = activation?.code ?? Activation.none
    let form = isPacked ? MK_OPERAND_PACKED : MK_OPERAND_ROWS
    let tiling = MatrixTiling(
      m: program.maximumBatch, n: units, k: inputs, tileRows: isa.kernels.pointee.tile_rows,
      panelWidth: isa.kernels.pointee.panel_width)
    let scratch = isa.productScratch(
      m: program.maximumBatch, n: units, k: inputs, aRowStride: inputs, aColumnStride: 1,
      bForm: form, bStride: units)
    program.step(
      "dense", reads: [x, weights] + (bias.map { [$0] } ?? []) + (tail?.reads ?? []), writes: [y],
      scratchFloats: scratch,
      tiles: { tiling.count(m: $0, n: units) }
    ) { frame, tile, worker in
      var product = mk_gemm(
        m: frame.batch, n: units, k: inputs, a: frame.floats(x), a_row_stride: inputs,
        a_column_stride: 1, b: frame.floats(weights), b_form: mk_operand_form(form),
        b_stride: units, c: frame.floats(y), c_stride: units,
        bias: frame.constants(bias), activation: code, accumulate: 0,
        gate: nil, gate_stride: 0)
      let ranges = tiling.ranges(tile, m: frame.batch, n: units)
      isa.kernels.pointee.gemm(
        &product, ranges.rows.lowerBound, ranges.rows.upperBound, ranges.columns.lowerBound,
        ranges.columns.upperBound, frame.scratch(worker))
      tail?.apply(frame, to: y, rows: ranges.rows, columns: ranges.columns, stride: units)
    }
  }

  private func emitParts(
    x: Buffer, _ weights: Buffer, _ isPacked: Bool, bias: Buffer?, tail: ResidualTail?, y: Buffer,
    into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let (isa, inputs, units, parts) = (isa, inputs, units, parts)
    let code = activation?.code ?? Activation.none
    let form = isPacked ? MK_OPERAND_PACKED : MK_OPERAND_ROWS
    let partSize = isa.kernels.pointee.gemm_packed_size(parts[0].count, units)
    let resultCount = program.maximumBatch * units
    let partial = try program.temporary(floats: parts.count * resultCount)
    let scratch = isa.productScratch(
      m: program.maximumBatch, n: units, k: parts[0].count, aRowStride: inputs, aColumnStride: 1,
      bForm: form, bStride: units)
    program.step(
      "dense", reads: [x, weights], writes: [partial],
      scratchFloats: scratch,
      tiles: { _ in parts.count }
    ) { frame, tile, worker in
      let part = parts[tile]
      let b =
        isPacked
        ? frame.floats(weights) + tile * partSize
        : frame.floats(weights) + part.lowerBound * units
      var product = mk_gemm(
        m: frame.batch, n: units, k: part.count, a: frame.floats(x) + part.lowerBound,
        a_row_stride: inputs, a_column_stride: 1, b: b, b_form: mk_operand_form(form),
        b_stride: units, c: frame.floats(partial) + tile * resultCount, c_stride: units,
        bias: nil, activation: Activation.none, accumulate: 0, gate: nil, gate_stride: 0)
      isa.kernels.pointee.gemm(&product, 0, frame.batch, 0, units, frame.scratch(worker))
    }
    let rows = max(1, Tiling.elements / (units * parts.count))
    program.step(
      "dense sum", reads: [partial] + (bias.map { [$0] } ?? []) + (tail?.reads ?? []),
      writes: [y],
      tiles: { Tiling.count($0, by: rows) }
    ) { frame, tile, _ in
      let range = Tiling.range(tile, of: rows, total: frame.batch)
      let start = range.lowerBound * units
      isa.kernels.pointee.column_sums(
        frame.floats(y) + start, frame.floats(partial) + start, resultCount, parts.count,
        range.count * units, 0)
      if let bias {
        isa.kernels.pointee.add_bias(
          frame.floats(y) + start, frame.floats(y) + start, frame.floats(bias), code,
          range.count, units)
      } else if code != Activation.none {
        isa.kernels.pointee.activate(
          frame.floats(y) + start, frame.floats(y) + start, code, range.count * units)
      }
      tail?.apply(frame, to: y, rows: range, columns: 0..<units, stride: units)
    }
  }
}

extension InstructionSet {
  /// Scratch floats that any part of a product of this shape needs.
  func productScratch(
    m: Int, n: Int, k: Int, aRowStride: Int, aColumnStride: Int, bForm: Int, bStride: Int
  ) -> Int {
    // Only the shape is looked at; the operands must not be null.
    var placeholder: Float = 0
    return withUnsafeMutablePointer(to: &placeholder) { operand in
      var product = mk_gemm(
        m: m, n: n, k: k, a: operand, a_row_stride: aRowStride, a_column_stride: aColumnStride,
        b: operand, b_form: mk_operand_form(bForm), b_stride: bStride, c: operand, c_stride: n,
        bias: nil, activation: Activation.none, accumulate: 0, gate: nil, gate_stride: 0)
      return kernels.pointee.gemm_scratch_size(&product)
    }
  }
}
