// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// A tensor stretched to a shape of samples: extents of one repeated, dimensions put before.
  ///
  /// - Throws: `.shapeMismatch` for a shape that it does not broadcast to.
  public mutating func expand(_ x: Value, to shape: Shape) throws(RuntimeError) -> Value {
    let type = TensorType(.fp32, shape, isBatched: type(of: x).isBatched)
    return try add(Expand(type: type), [x])[0]
  }
}

/// y = x · factor, stretched to a type.
struct Expand: Operation {
  let type: TensorType
  var factor: Float = 1
  /// Whether the factor is over the number of samples too.
  var dividesByBatch = false
  var name: String { "expand" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "input")
    guard try broadcastType([operands[0], type], .fp32, "shape") == type else {
      throw RuntimeError(
        .shapeMismatch, "\(operands[0]) does not broadcast to \(type)", operation: name,
        field: "shape")
    }
    return [type]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let (isa, factor, dividesByBatch) = (program.instructionSet, factor, dividesByBatch)
    try program.broadcast(name, node.results[0], from: node.operands) {
      frame, offsets, steps, count in
      let scale = dividesByBatch ? factor / Float(frame.batch) : factor
      let (out, source) = (frame.floats(y) + offsets[0], frame.floats(x) + offsets[1])
      if steps[1] == 0 {
        isa.kernels.pointee.fill(out, source[0] * scale, count)
      } else {
        isa.kernels.pointee.scale(out, source, scale, 0, count)
      }
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    // A factor that depends on the batch is found in gradients only.
    guard let dy = along[0], !dividesByBatch else { return [nil] }
    let scaled = factor == 1 ? dy : try graph.binary(.multiply, dy, factor)
    return [try graph.sum(scaled, toTypeOf: node.operands[0])]
  }
}
