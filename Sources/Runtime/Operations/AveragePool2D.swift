// SPDX-License-Identifier: Apache-2.0
// Images N×H×W×C, outputs N×OH×OW×C.

import CKernels

extension Graph {
  /// The mean of each window, channel by channel; padding is not counted.
  ///
  /// - Parameters:
  ///   - x: batched [H, W, C].
  ///   - stride: distance between windows; `nil` for the window's size.
  /// - Throws: `.shapeMismatch` or `.invalidArgument` naming the argument that does not fit.
  public mutating func averagePool2D(
    _ x: Value, size: Int, stride: Int? = nil, padding: Padding = .valid
  ) throws(RuntimeError) -> Value {
    try add(AveragePool2D(size: size, stride: stride ?? size, padding: padding), [x])[0]
  }
}

/// y = mean over the window.
struct AveragePool2D: Operation {
  let size: Int
  let stride: Int
  let padding: Padding
  var name: String { "average_pool2d" }

  func window(_ x: TensorType) throws(RuntimeError) -> Window {
    try Window(over: x, kernel: (size, size), stride: stride, padding: padding)
  }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [try window(operands[0]).pooledType]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let window = try window(program.type(of: node.operands[0]))
    let isa = program.instructionSet
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let rows = Tiling.rows(
      ofImage: window.outputHeight, workPerRow: window.outputWidth * window.channels * size * size,
      work: 2 * Tiling.elements)
    program.step(
      name, reads: [x], writes: [y],
      tiles: { Tiling.count($0 * window.outputHeight, by: rows) }
    ) { frame, tile, _ in
      var shape = window.kernelWindow(images: frame.batch, filters: 0)
      let range = Tiling.range(tile, of: rows, total: frame.batch * window.outputHeight)
      isa.kernels.pointee.average_pool(
        &shape, frame.floats(x), frame.floats(y), 0, range.lowerBound, range.upperBound)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let window = try window(graph.type(of: node.operands[0]))
    return [try graph.add(AveragePool2DGradient(window: window), [dy])[0]]
  }
}

/// dx = dy / count, for each window that holds the pixel.
struct AveragePool2DGradient: Operation {
  let window: Window
  var name: String { "average_pool2d gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let shape = try Shape([window.height, window.width, window.channels])
    return [TensorType(.fp32, shape, isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (isa, window) = (program.instructionSet, window)
    let (dy, dx) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let rows = Tiling.rows(
      ofImage: window.height, workPerRow: window.width * window.channels,
      work: 2 * Tiling.elements)
    program.step(
      name, reads: [dy], writes: [dx],
      tiles: { Tiling.count($0 * window.height, by: rows) }
    ) { frame, tile, _ in
      var shape = window.kernelWindow(images: frame.batch, filters: 0)
      let range = Tiling.range(tile, of: rows, total: frame.batch * window.height)
      isa.kernels.pointee.average_pool_gradient(
        &shape, frame.floats(dy), frame.floats(dx), 0, range.lowerBound, range.upperBound)
    }
  }
}
