// SPDX-License-Identifier: Apache-2.0
// Images N×H×W×C, outputs N×OH×OW×C.

import CKernels

extension Graph {
  /// The largest value of each window, channel by channel.
  ///
  /// - Parameters:
  ///   - x: batched [H, W, C].
  ///   - stride: distance between windows; `nil` for the window's size.
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func maxPool2D(
    _ x: Value, size: Int, stride: Int? = nil, padding: Padding = .valid
  ) throws(RuntimeError) -> Value {
    try add(MaxPool2D(size: size, stride: stride ?? size, padding: padding), [x])[0]
  }
}

/// y = max over the window; the second result says where in the window it was.
struct MaxPool2D: Operation {
  let size: Int
  let stride: Int
  let padding: Padding
  var name: String { "max_pool2d" }

  func window(_ x: TensorType) throws(RuntimeError) -> Window {
    try Window(over: x, kernel: (size, size), stride: stride, padding: padding)
  }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let window = try window(operands[0])
    guard size <= 256 else {
      throw RuntimeError(
        .unsupported, "expected at most 256; came \(size)", operation: name, field: "size")
    }
    let pooled = try window.pooledType
    return [pooled, TensorType(.uint16, pooled.shape, isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let window = try window(program.type(of: node.operands[0]))
    let isa = program.instructionSet
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let taps = program.isUsed(node.results[1]) ? try program.buffer(node.results[1]) : nil
    let rows = Tiling.rows(
      ofImage: window.outputHeight, workPerRow: window.outputWidth * window.channels * size * size,
      work: 2 * Tiling.elements)
    program.step(
      name, reads: [x], writes: [y] + (taps.map { [$0] } ?? []),
      tiles: { Tiling.count($0 * window.outputHeight, by: rows) }
    ) { frame, tile, _ in
      var shape = window.kernelWindow(images: frame.batch, filters: 0)
      let range = Tiling.range(tile, of: rows, total: frame.batch * window.outputHeight)
      isa.kernels.pointee.max_pool(
        &shape, frame.floats(x), frame.floats(y),
        taps.map { frame.raw($0).assumingMemoryBound(to: UInt16.self) }, range.lowerBound,
        range.upperBound)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let window = try window(graph.type(of: node.operands[0]))
    let operation = MaxPool2DGradient(window: window)
    return [try graph.add(operation, [dy, node.results[1], node.results[0]])[0]]
  }
}

/// dx = dy at the first largest value of each window, zero elsewhere.
struct MaxPool2DGradient: ReluGradientFusing {
  let window: Window
  var gatesRelu = false
  var name: String { "max_pool2d gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let shape = try Shape([window.height, window.width, window.channels])
    return [TensorType(.fp32, shape, isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (isa, window) = (program.instructionSet, window)
    let (dy, taps) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    // A relu before the pool passes where the pool's own result is positive.
    let gate = gatesRelu ? try program.buffer(node.operands[2]) : nil
    let dx = try program.buffer(node.results[0])
    let rows = Tiling.rows(
      ofImage: window.height, workPerRow: window.width * window.channels,
      work: 2 * Tiling.elements)
    program.step(
      name, reads: [dy, taps] + (gate.map { [$0] } ?? []), writes: [dx],
      tiles: { Tiling.count($0 * window.height, by: rows) }
    ) { frame, tile, _ in
      var shape = window.kernelWindow(images: frame.batch, filters: 0)
      let range = Tiling.range(tile, of: rows, total: frame.batch * window.height)
      isa.kernels.pointee.max_pool_gradient(
        &shape, frame.floats(dy), frame.raw(taps).assumingMemoryBound(to: UInt16.self),
        frame.constants(gate), frame.floats(dx), range.lowerBound,
        range.upperBound)
    }
  }
}

extension Window {
  /// The type of a pooling's result.
  var pooledType: TensorType {
    get throws(RuntimeError) {
      TensorType(.fp32, try Shape([outputHeight, outputWidth, channels]), isBatched: true)
    }
  }
}
