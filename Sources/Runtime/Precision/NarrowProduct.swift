// SPDX-License-Identifier: Apache-2.0
// N output columns or channels.

import CKernels

/// A dense layer or a convolution whose operands are narrow: f(x · w + b (+ residual)), stored in any format.
///
/// Operands: x, the weights, the bias if there is one, a folded normalisation's four parameters, the residual.
struct NarrowProduct: Operation {
  /// The operation in single precision, with its activation and folded normalisation.
  let base: any NormalizationFolding
  let input: NarrowFormat
  let output: NarrowFormat
  /// The format of the last operand, where that is added before the activation.
  let residual: NarrowFormat?
  /// Of x, in single precision, for the shape rule.
  let inputType: TensorType

  var name: String {
    switch input {
    case .uint8: "int8_\(base.name)"
    default: "bf16_\(base.name)"
    }
  }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let type = try base.resultTypes(of: [inputType, operands[1]])[0]
    return [TensorType(output.datatype, type.shape, isBatched: true)]
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    base.operationCount(node, in: graph)
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    // What the rules for bias and normalisation know.
    var plain = node
    if residual != nil { plain.operands.removeLast() }
    plain.operation = base
    let bias = base.biasOperand(plain)
    let folded = try FoldedNormalization(plain, base.foldedEpsilon, bias: bias, in: &program)
    let emission = NarrowEmission(
      product: self, weights: node.operands[1], folded: folded,
      x: try program.buffer(node.operands[0]), bias: try program.bias(folded, or: bias),
      added: residual == nil ? nil : try program.buffer(node.operands[node.operands.count - 1]),
      y: try program.buffer(node.results[0]),
      key: folded == nil ? "" : "\(plain.operands.dropFirst(2))")
    if let convolution = base as? Conv2D {
      let window = try convolution.window(inputType, program.type(of: node.operands[1]))
      try emission.emitConvolution(window, into: &program)
    } else {
      try emission.emitDense(into: &program)
    }
  }
}

/// The buffers of a narrow product, and its steps.
struct NarrowEmission {
  let product: NarrowProduct
  let weights: Graph.Value
  let folded: FoldedNormalization?
  let x: Buffer
  let bias: Buffer?
  let added: Buffer?
  let y: Buffer
  /// What the folded weights depend on.
  let key: String

  func emitDense(into program: inout ProgramBuilder) throws(RuntimeError) {
    let shape = program.type(of: weights).shape
    let (inputs, units, isa) = (shape[0], shape[1], program.instructionSet)
    let kernels = product.input.kernels(isa)
    let tiling = MatrixTiling(
      m: program.maximumBatch, n: units, words: Tiling.count(inputs, by: product.input.perWord),
      kernels: isa.narrow)
    let packed = try packed(runs: 1, length: inputs, columns: units, into: &program)
    var described = mk_narrow_gemm()
    (described.m, described.n, described.k) = (program.maximumBatch, units, inputs)
    described.a_stride = inputs
    let (emission, x, y) = (self, x, y)
    program.step(
      product.name, reads: reads + [packed.buffer], writes: [y],
      scratchFloats: Tiling.count(kernels.gemm_scratch_size(&described), by: 4),
      tiles: { tiling.count(m: $0, n: units) }
    ) { frame, tile, worker in
      var gemm = mk_narrow_gemm()
      (gemm.m, gemm.n, gemm.k) = (frame.batch, units, inputs)
      gemm.a = UnsafeRawPointer(frame.raw(x))
      gemm.a_stride = inputs
      gemm.b = UnsafeRawPointer(frame.raw(packed.buffer))
      gemm.c = frame.raw(y)
      gemm.c_stride = units
      gemm.result = emission.result(packed, columns: units, in: frame)
      let ranges = tiling.ranges(tile, m: frame.batch, n: units)
      kernels.gemm(
        &gemm, ranges.rows.lowerBound, ranges.rows.upperBound, ranges.columns.lowerBound,
        ranges.columns.upperBound, UnsafeMutableRawPointer(frame.scratch(worker)))
    }
  }

  func emitConvolution(
    _ window: Window, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let (filters, isa) = (program.type(of: weights).shape[3], program.instructionSet)
    let kernels = product.input.kernels(isa)
    let length = window.kernelWidth * window.channels
    let tiling = ConvolutionTiling(
      height: window.outputHeight, width: window.outputWidth, channels: filters,
      depth: window.kernelHeight * Tiling.count(length, by: product.input.perWord),
      panelWidth: isa.narrow.pointee.panel_width)
    let packed = try packed(
      runs: window.kernelHeight, length: length, columns: filters, into: &program)
    var shape = window.kernelWindow(images: program.maximumBatch, filters: filters)
    let (emission, x, y) = (self, x, y)
    let zeroPoint = product.input.quantization.zero_point
    program.step(
      product.name, reads: reads + [packed.buffer], writes: [y],
      scratchFloats: Tiling.count(kernels.conv2d_scratch_size(&shape), by: 4),
      tiles: { tiling.count(batch: $0) }
    ) { frame, tile, worker in
      var shape = window.kernelWindow(images: frame.batch, filters: filters)
      var result = emission.result(packed, columns: filters, in: frame)
      let (rows, channels) = tiling.ranges(tile, batch: frame.batch)
      kernels.conv2d(
        &shape, frame.raw(x), zeroPoint, frame.raw(packed.buffer), &result, frame.raw(y),
        rows.lowerBound, rows.upperBound, channels.lowerBound, channels.upperBound,
        UnsafeMutableRawPointer(frame.scratch(worker)))
    }
  }

  private var reads: [Buffer] { [x] + [bias, added].compactMap { $0 } }

  /// Packed weights and, behind them, the scales and the offsets of quantised ones.
  struct Packed: Sendable {
    let buffer: Buffer
    /// Bytes of the weights alone.
    let byteCount: Int
  }

  private func packed(
    runs: Int, length: Int, columns: Int, into program: inout ProgramBuilder
  ) throws(RuntimeError) -> Packed {
    let isa = program.instructionSet
    let kernels = product.input.kernels(isa)
    let byteCount = kernels.packed_size(runs, length, columns)
    let quantization = product.input.quantization
    let panel = isa.narrow.pointee.panel_width
    let buffer = try program.packed(
      weights, layout: "\(product.name) \(product.input) \(runs) \(key)",
      floats: byteCount / 4 + 2 * columns, from: folded?.weights
    ) { source, destination in
      Step(name: "pack", tiles: { _ in Tiling.count(columns, by: panel) }) { frame, tile, _ in
        let range = Tiling.range(tile, of: panel, total: columns)
        let base = frame.raw(destination)
        let scales = (base + byteCount).assumingMemoryBound(to: Float.self)
        let offsets = (base + byteCount).assumingMemoryBound(to: Int32.self) + columns
        kernels.pack(
          base, frame.floats(source), runs, length, columns, range.lowerBound, range.upperBound,
          scales, offsets)
        guard case .uint8 = product.input else { return }
        for column in range {
          scales[column] *= quantization.scale
          // At most 255 · 127 for each weight: what fits in a plan does not overflow.
          offsets[column] = offsets[column] &* -quantization.zero_point
        }
      }
    }
    return Packed(buffer: buffer, byteCount: byteCount)
  }

  private func result(
    _ packed: Packed, columns: Int, in frame: borrowing Frame
  ) -> mk_narrow_result {
    var result = mk_narrow_result()
    if case .uint8 = product.input {
      let tables = frame.raw(packed.buffer) + packed.byteCount
      result.scales = UnsafePointer(tables.assumingMemoryBound(to: Float.self))
      result.offsets = UnsafePointer(tables.assumingMemoryBound(to: Int32.self) + columns)
    }
    result.bias = frame.constants(bias)
    if let added, let format = product.residual {
      result.residual = UnsafeRawPointer(frame.raw(added))
      result.residual_format = format.code
      result.residual_quantization = format.quantization
      result.residual_stride = columns
    }
    result.activation = product.base.activation?.code ?? Activation.none
    result.format = product.output.code
    result.quantization = product.output.quantization
    return result
  }
}
