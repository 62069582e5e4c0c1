// SPDX-License-Identifier: Apache-2.0
// C channels (the last dimension), P positions: all other dimensions of a sample.

import CKernels

extension Graph {
  /// The mean of each channel over all positions of a sample: an image's pixels, a sequence's steps.
  ///
  /// - Parameter x: batched, of two or more dimensions, channels last.
  /// - Returns: batched [C].
  /// - Throws: `.shapeMismatch` for other inputs.
  public mutating func globalAveragePool(_ x: Value) throws(RuntimeError) -> Value {
    try add(GlobalAveragePool(), [x])[0]
  }
}

/// y = Σ x / P.
struct GlobalAveragePool: Operation {
  var name: String { "global_average_pool" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let x = operands[0]
    guard x.datatype == .fp32, x.isBatched, x.shape.rank > 1, x.shape.elementCount > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 [batch, positions, channels]; came \(x)", operation: name,
        field: "input")
    }
    return [TensorType(.fp32, try Shape([x.shape.innermost]), isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let shape = program.type(of: node.operands[0]).shape
    let (channels, positions) = (shape.innermost, shape.elementCount / shape.innermost)
    let isa = program.instructionSet
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let samples = max(1, Tiling.elements / shape.elementCount)
    program.step(
      name, reads: [x], writes: [y], tiles: { Tiling.count($0, by: samples) }
    ) { frame, tile, _ in
      for sample in Tiling.range(tile, of: samples, total: frame.batch) {
        let out = frame.floats(y) + sample * channels
        isa.kernels.pointee.column_sums(
          out, frame.floats(x) + sample * positions * channels, channels, positions, channels, 0)
        isa.kernels.pointee.scale(out, out, 1 / Float(positions), 0, channels)
      }
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let gradient = GlobalAveragePoolGradient(type: graph.type(of: node.operands[0]))
    return [try graph.add(gradient, [dy])[0]]
  }
}

/// dx = dy / P at every position.
struct GlobalAveragePoolGradient: Operation {
  let type: TensorType
  var name: String { "global_average_pool gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] { [type] }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (channels, elements) = (type.shape.innermost, type.shape.elementCount)
    let positions = elements / channels
    let isa = program.instructionSet
    let (dy, dx) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let samples = max(1, Tiling.elements / elements)
    program.step(
      name, reads: [dy], writes: [dx], tiles: { Tiling.count($0, by: samples) }
    ) { frame, tile, _ in
      for sample in Tiling.range(tile, of: samples, total: frame.batch) {
        let out = frame.floats(dx) + sample * elements
        isa.kernels.pointee.scale(
          out, frame.floats(dy) + sample * channels, 1 / Float(positions), 0, channels)
        for position in 1..<max(1, positions) {
          (out + position * channels).update(from: out, count: channels)
        }
      }
    }
  }
}
