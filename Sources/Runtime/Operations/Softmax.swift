// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// eˣ / Σ eˣ over the last dimension, computed from x - max x.
  public mutating func softmax(_ x: Value) throws(RuntimeError) -> Value {
    try add(Softmax(), [x])[0]
  }

  /// The same over any axis of a sample; a negative one counts from the end.
  ///
  /// - Throws: `.invalidArgument` for an axis that there is not.
  public mutating func softmax(_ x: Value, axis: Int) throws(RuntimeError) -> Value {
    let turned = try exchange(x, axis, -1)
    return try exchange(softmax(turned), axis, -1)
  }
}

/// y = softmax(x).
struct Softmax: Operation {
  var name: String { "softmax" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "input")
    return [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let isa = program.instructionSet
    try program.rowwise(name, node.results[0], from: node.operands) { frame, rows, columns in
      let start = rows.lowerBound * columns
      isa.kernels.pointee.softmax(
        frame.floats(y) + start, frame.floats(x) + start, rows.count, columns)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    return [try graph.add(SoftmaxGradient(), [dy, node.results[0]])[0]]
  }
}

/// dx = y (dy - Σ dy y).
struct SoftmaxGradient: Operation {
  var name: String { "softmax gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (dy, y) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let dx = try program.buffer(node.results[0])
    let isa = program.instructionSet
    try program.rowwise(name, node.results[0], from: node.operands) { frame, rows, columns in
      let start = rows.lowerBound * columns
      isa.kernels.pointee.softmax_gradient(
        frame.floats(dx) + start, frame.floats(dy) + start, frame.floats(y) + start, rows.count,
        columns)
    }
  }
}
