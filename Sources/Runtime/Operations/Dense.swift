// SPDX-License-Identifier: Apache-2.0
// K features in, N units, B samples.

import CKernels

extension Graph {
  /// x · weights + bias.
  ///
  /// - Parameters:
  ///   - x: batched [K].
  ///   - weights: a parameter of shape [K, N].
  ///   - bias: a parameter of shape [N].
  /// - Returns: batched [N].
  /// - Throws: `.shapeMismatch` naming the argument that does not fit.
  public mutating func dense(
    _ x: Value, weights: Value, bias: Value? = nil
  ) throws(RuntimeError) -> Value {
    try add(Dense(), [x, weights] + (bias.map { [$0] } ?? []))[0]
  }
}

/// y = f(x W + b).
struct Dense: NormalizationFolding, ResidualFusing {
  var activation: Activation?
  var foldedEpsilon: Float?
  var name: String { "dense" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (x, weights) = (operands[0], operands[1])
    guard x.isBatched, x.shape.rank == 1, x.datatype == .fp32 else {
      throw RuntimeError(
        .shapeMismatch,
        "expected vectors, FP32 [batch, features]; came \(x): flatten images before a dense layer",
        operation: name, field: "input")
    }
    guard weights.shape.rank == 2, weights.shape[1] > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 [\(x.shape[0]), units]; came \(weights)", operation: name,
        field: "weights")
    }
    try require(weights, shape: [x.shape[0], weights.shape[1]], "weights")
    if operands.count > 2 { try require(operands[2], shape: [weights.shape[1]], "bias") }
    return [TensorType(.fp32, try Shape([weights.shape[1]]), isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    try emit(node, tail: nil, into: &program)
  }

  func emit(
    _ node: Graph.Node, tail: ResidualTail?, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let weights = program.type(of: node.operands[1]).shape
    let product = DenseProduct(
      inputs: weights[0], units: weights[1], activation: activation,
      isa: program.instructionSet)
    let bias = biasOperand(node)
    let folded = try FoldedNormalization(node, foldedEpsilon, bias: bias, in: &program)
    try product.emit(node, bias: bias, folded, tail: tail, into: &program)
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    2 * Double(graph.type(of: node.operands[1]).shape.elementCount)
  }

  // dx = dy Wᵀ, dW = xᵀ dy, db = Σ dy
  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    let (x, weights) = (node.operands[0], node.operands[1])
    var gradients = [Graph.Value?](repeating: nil, count: node.operands.count)
    guard let dy = along[0] else { return gradients }
    if wanted[1...].contains(true) {
      let made = try graph.add(DenseParameterGradient(hasBias: node.operands.count > 2), [x, dy])
      for (index, value) in made.enumerated() { gradients[1 + index] = value }
    }
    if wanted[0] { gradients[0] = try graph.add(DenseInputGradient(), [dy, weights])[0] }
    return gradients
  }
}

/// dx = dy Wᵀ.
struct DenseInputGradient: ReluGradientFusing {
  var gatesRelu = false
  var name: String { "dense input gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [TensorType(.fp32, try Shape([operands[1].shape[0]]), isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let weights = program.type(of: node.operands[1]).shape
    let (inputs, units, isa) = (weights[0], weights[1], program.instructionSet)
    let dy = try program.buffer(node.operands[0])
    let w = try program.buffer(node.operands[1])
    let gate = gatesRelu ? try program.buffer(node.operands[2]) : nil
    let dx = try program.buffer(node.results[0])
    let tiling = MatrixTiling(
      m: program.maximumBatch, n: inputs, k: units, tileRows: isa.kernels.pointee.tile_rows,
      panelWidth: isa.kernels.pointee.panel_width)
    let scratch = isa.productScratch(
      m: program.maximumBatch, n: inputs, k: units, aRowStride: units, aColumnStride: 1,
      bForm: MK_OPERAND_TRANSPOSED, bStride: units)
    program.step(
      name, reads: [dy, w] + (gate.map { [$0] } ?? []), writes: [dx],
      scratchFloats: scratch,
      tiles: { tiling.count(m: $0, n: inputs) }
    ) { frame, tile, worker in
      var product = mk_gemm(
        m: frame.batch, n: inputs, k: units, a: frame.floats(dy), a_row_stride: units,
        a_column_stride: 1, b: frame.floats(w), b_form: mk_operand_form(MK_OPERAND_TRANSPOSED),
        b_stride: units, c: frame.floats(dx), c_stride: inputs, bias: nil,
        activation: Activation.none, accumulate: 0, gate: frame.constants(gate),
        gate_stride: inputs)
      let ranges = tiling.ranges(tile, m: frame.batch, n: inputs)
      isa.kernels.pointee.gemm(
        &product, ranges.rows.lowerBound, ranges.rows.upperBound, ranges.columns.lowerBound,
        ranges.columns.upperBound, frame.scratch(worker))
    }
  }
}

/// dW = xᵀ dy and db = Σ dy.
struct DenseParameterGradient: Operation {
  let hasBias: Bool
  var name: String { "dense parameter gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (inputs, units) = (operands[0].shape[0], operands[1].shape[0])
    let weights = TensorType(.fp32, try Shape([inputs, units]), isBatched: false)
    let bias = TensorType(.fp32, try Shape([units]), isBatched: false)
    return hasBias ? [weights, bias] : [weights]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let inputs = program.type(of: node.operands[0]).shape[0]
    let units = program.type(of: node.operands[1]).shape[0]
    let isa = program.instructionSet
    let (x, dy) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let dw = try program.buffer(node.results[0])
    let db = hasBias ? try program.buffer(node.results[1]) : nil
    let tiling = MatrixTiling(
      m: inputs, n: units, k: program.maximumBatch, tileRows: isa.kernels.pointee.tile_rows,
      panelWidth: isa.kernels.pointee.panel_width)
    let scratch = isa.productScratch(
      m: inputs, n: units, k: program.maximumBatch, aRowStride: 1, aColumnStride: inputs,
      bForm: MK_OPERAND_ROWS, bStride: units)
    let tiles = tiling.count(m: inputs, n: units)
    program.step(
      name, reads: [x, dy], writes: [dw] + (db.map { [$0] } ?? []),
      scratchFloats: scratch,
      tiles: { _ in tiles + (db == nil ? 0 : 1) }
    ) { frame, tile, worker in
      if tile == tiles, let db {
        isa.kernels.pointee.column_sums(
          frame.floats(db), frame.floats(dy), units, frame.batch, units, 0)
        return
      }
      var product = mk_gemm(
        m: inputs, n: units, k: frame.batch, a: frame.floats(x), a_row_stride: 1,
        a_column_stride: inputs, b: frame.floats(dy), b_form: mk_operand_form(MK_OPERAND_ROWS),
        b_stride: units, c: frame.floats(dw), c_stride: units, bias: nil,
        activation: Activation.none, accumulate: 0, gate: nil, gate_stride: 0)
      let ranges = tiling.ranges(tile, m: inputs, n: units)
      isa.kernels.pointee.gemm(
        &product, ranges.rows.lowerBound, ranges.rows.upperBound, ranges.columns.lowerBound,
        ranges.columns.upperBound, frame.scratch(worker))
    }
  }
}
