// SPDX-License-Identifier: Apache-2.0
// Images N×H×W×C, weights KH×KW×C×O, outputs N×OH×OW×O.

import CKernels

extension Graph {
  /// Cross-correlates images with filters and adds a bias.
  ///
  /// - Parameters:
  ///   - x: batched [H, W, C].
  ///   - weights: a parameter of shape [KH, KW, C, O].
  ///   - bias: a parameter of shape [O].
  /// - Returns: batched [OH, OW, O].
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func conv2d(
    _ x: Value, weights: Value, bias: Value? = nil, stride: Int = 1, padding: Padding = .valid
  ) throws(RuntimeError) -> Value {
    try add(
      Conv2D(stride: stride, padding: padding), [x, weights] + (bias.map { [$0] } ?? []))[0]
  }

  /// Cross-correlates sequences with filters and adds a bias.
  ///
  /// - Parameters:
  ///   - x: batched [T, C].
  ///   - weights: a parameter of shape [1, K, C, O]: those of an image of one row.
  ///   - bias: a parameter of shape [O].
  ///   - padding: `.valid` or `.same`.
  /// - Returns: batched [T', O].
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func conv1d(
    _ x: Value, weights: Value, bias: Value? = nil, stride: Int = 1, padding: Padding = .valid
  ) throws(RuntimeError) -> Value {
    let type = type(of: x)
    guard type.shape.rank == 2 else {
      throw RuntimeError(
        .shapeMismatch, "expected sequences, FP32 [batch, steps, channels]; came \(type)",
        operation: "conv1d", field: "input")
    }
    let row = try reshape(x, to: type.shape.prepending(1))
    let y = try conv2d(row, weights: weights, bias: bias, stride: stride, padding: padding)
    return try reshape(y, to: Shape(Array(self.type(of: y).shape.dimensions.dropFirst())))
  }
}

/// y = f(x ⋆ w + b).
struct Conv2D: NormalizationFolding, ResidualFusing {
  let stride: Int
  let padding: Padding
  var activation: Activation?
  var foldedEpsilon: Float?
  var name: String { "conv2d" }

  func window(_ x: TensorType, _ weights: TensorType) throws(RuntimeError) -> Window {
    guard weights.shape.rank == 4, weights.shape[3] > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 [height, width, channels, filters]; came \(weights)",
        operation: name, field: "weights")
    }
    return try Window(
      over: x, kernel: (weights.shape[0], weights.shape[1]), stride: stride, padding: padding)
  }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (x, weights) = (operands[0], operands[1])
    let window = try window(x, weights)
    let filters = weights.shape[3]
    try require(
      weights, shape: [window.kernelHeight, window.kernelWidth, window.channels, filters],
      "weights")
    if operands.count > 2 { try require(operands[2], shape: [filters], "bias") }
    let shape = try Shape([window.outputHeight, window.outputWidth, filters])
    return [TensorType(.fp32, shape, isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    try emit(node, tail: nil, into: &program)
  }

  func emit(
    _ node: Graph.Node, tail: ResidualTail?, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let weights = program.type(of: node.operands[1])
    let window = try window(program.type(of: node.operands[0]), weights)
    let filters = weights.shape[3]
    let (isa, code) = (program.instructionSet, activation?.code ?? Activation.none)
    var shape = window.kernelWindow(images: program.maximumBatch, filters: filters)
    let tiling = ConvolutionTiling(
      height: window.outputHeight, width: window.outputWidth, channels: filters,
      depth: window.kernelHeight * window.kernelWidth * window.channels,
      panelWidth: isa.kernels.pointee.panel_width)
    let ownBias = biasOperand(node)
    let folded = try FoldedNormalization(node, foldedEpsilon, bias: ownBias, in: &program)
    let layout = "conv2d \(window) \(folded == nil ? [] : node.operands.dropFirst(2))"
    let x = try program.buffer(node.operands[0])
    let bias = try program.bias(folded, or: ownBias)
    let y = try program.buffer(node.results[0])
    if program.mode == .inference,
      let winograd = WinogradConvolution(
        window, filters: filters, panelWidth: isa.kernels.pointee.panel_width)
    {
      return try winograd.emit(
        name, x: x, weights: node.operands[1], folded: folded, layout: layout, bias: bias,
        activation: code, tail: tail, y: y, into: &program)
    }
    let packed = try program.packed(
      node.operands[1], layout: layout,
      floats: isa.kernels.pointee.conv2d_packed_size(&shape), from: folded?.weights
    ) { source, destination in
      Step(name: "pack", tiles: { _ in tiling.blocks }) { frame, tile, _ in
        var shape = window.kernelWindow(images: 1, filters: filters)
        let range = tiling.channels(block: tile)
        isa.kernels.pointee.conv2d_pack(
          &shape, frame.floats(destination), frame.floats(source), range.lowerBound,
          range.upperBound)
      }
    }
    program.step(
      name, reads: [x, packed] + (bias.map { [$0] } ?? []) + (tail?.reads ?? []), writes: [y],
      scratchFloats: isa.kernels.pointee.conv2d_scratch_size(&shape),
      tiles: { tiling.count(batch: $0) }
    ) { frame, tile, worker in
      var shape = window.kernelWindow(images: frame.batch, filters: filters)
      let (rows, channels) = tiling.ranges(tile, batch: frame.batch)
      isa.kernels.pointee.conv2d(
        &shape, frame.floats(x), frame.floats(packed), frame.constants(bias),
        code, frame.floats(y), rows.lowerBound, rows.upperBound, channels.lowerBound,
        channels.upperBound, frame.scratch(worker))
      let pixels = window.outputWidth
      tail?.apply(
        frame, to: y, rows: (rows.lowerBound * pixels)..<(rows.upperBound * pixels),
        columns: channels, stride: filters)
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    let output = graph.type(of: node.results[0]).shape
    let weights = Double(graph.type(of: node.operands[1]).shape.elementCount)
    return 2 * weights * Double(output[0]) * Double(output[1])
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    let (x, weights) = (node.operands[0], node.operands[1])
    var gradients = [Graph.Value?](repeating: nil, count: node.operands.count)
    guard let dy = along[0] else { return gradients }
    let window = try window(graph.type(of: x), graph.type(of: weights))
    if wanted[1...].contains(true) {
      let operation = Conv2DParameterGradient(window: window, hasBias: node.operands.count > 2)
      for (index, value) in try graph.add(operation, [x, dy]).enumerated() {
        gradients[1 + index] = value
      }
    }
    if wanted[0] {
      gradients[0] = try graph.add(Conv2DInputGradient(window: window), [dy, weights])[0]
    }
    return gradients
  }
}

/// dx: every output pixel's gradient spread over the pixels that it was made of.
struct Conv2DInputGradient: ReluGradientFusing {
  let window: Window
  var gatesRelu = false
  var name: String { "conv2d input gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let shape = try Shape([window.height, window.width, window.channels])
    return [TensorType(.fp32, shape, isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let filters = program.type(of: node.operands[1]).shape[3]
    let (isa, window) = (program.instructionSet, window)
    var shape = window.kernelWindow(images: program.maximumBatch, filters: filters)
    let tiling = ConvolutionTiling(
      height: window.height, width: window.width, channels: window.channels,
      depth: window.kernelHeight * window.kernelWidth * filters,
      panelWidth: isa.kernels.pointee.panel_width)
    let packed = try program.packed(
      node.operands[1], layout: "conv2d data gradient \(window)",
      floats: isa.kernels.pointee.conv2d_data_gradient_packed_size(&shape)
    ) { source, destination in
      Step(name: "pack", tiles: { _ in tiling.blocks }) { frame, tile, _ in
        var shape = window.kernelWindow(images: 1, filters: filters)
        let range = tiling.channels(block: tile)
        isa.kernels.pointee.conv2d_data_gradient_pack(
          &shape, frame.floats(destination), frame.floats(source), range.lowerBound,
          range.upperBound)
      }
    }
    let dy = try program.buffer(node.operands[0])
    let gate = gatesRelu ? try program.buffer(node.operands[2]) : nil
    let dx = try program.buffer(node.results[0])
    program.step(
      name, reads: [dy, packed] + (gate.map { [$0] } ?? []), writes: [dx],
      scratchFloats: isa.kernels.pointee.conv2d_data_gradient_scratch_size(&shape),
      tiles: { tiling.count(batch: $0) }
    ) { frame, tile, worker in
      var shape = window.kernelWindow(images: frame.batch, filters: filters)
      let (rows, channels) = tiling.ranges(tile, batch: frame.batch)
      isa.kernels.pointee.conv2d_data_gradient(
        &shape, frame.floats(dy), frame.floats(packed),
        frame.constants(gate), 0, frame.floats(dx), rows.lowerBound,
        rows.upperBound, channels.lowerBound, channels.upperBound, frame.scratch(worker))
    }
  }
}

/// dw: every input pixel times the output gradients that it fed; db = Σ dy.
struct Conv2DParameterGradient: Operation {
  let window: Window
  let hasBias: Bool
  var name: String { "conv2d parameter gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let filters = operands[1].shape[2]
    let shape = try Shape([window.kernelHeight, window.kernelWidth, window.channels, filters])
    let weights = TensorType(.fp32, shape, isBatched: false)
    let bias = TensorType(.fp32, try Shape([filters]), isBatched: false)
    return hasBias ? [weights, bias] : [weights]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let filters = program.type(of: node.operands[1]).shape[2]
    let gradient = ConvolutionWeightGradient(
      window: window, filters: filters, maximumBatch: program.maximumBatch,
      isa: program.instructionSet)
    let x = try program.buffer(node.operands[0])
    let dy = try program.buffer(node.operands[1])
    let dw = try program.buffer(node.results[0])
    let db = hasBias ? try program.buffer(node.results[1]) : nil
    try gradient.emit(x: x, dy: dy, dw: dw, db: db, into: &program)
  }
}
