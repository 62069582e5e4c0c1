// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// x - log Σ eˣ over the last dimension, computed from x - max x.
  public mutating func logSoftmax(_ x: Value) throws(RuntimeError) -> Value {
    try add(LogSoftmax(), [x])[0]
  }

  /// The same over any axis of a sample; a negative one counts from the end.
  ///
  /// - Throws: `.invalidArgument` for an axis that there is not.
  public mutating func logSoftmax(_ x: Value, axis: Int) throws(RuntimeError) -> Value {
    let turned = try exchange(x, axis, -1)
    return try exchange(logSoftmax(turned), axis, -1)
  }
}

/// y = log softmax(x).
struct LogSoftmax: Operation {
  var name: String { "log_softmax" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "input")
    return [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let isa = program.instructionSet
    try program.rowwise(name, node.results[0], from: node.operands) { frame, rows, columns in
      let start = rows.lowerBound * columns
      isa.kernels.pointee.log_softmax(
        frame.floats(y) + start, frame.floats(x) + start, rows.count, columns)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    return [try graph.add(LogSoftmaxGradient(), [dy, node.results[0]])[0]]
  }
}

/// dx = dy - eʸ Σ dy.
struct LogSoftmaxGradient: Operation {
  var name: String { "log_softmax gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (dy, y) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let dx = try program.buffer(node.results[0])
    let isa = program.instructionSet
    try program.rowwise(name, node.results[0], from: node.operands) { frame, rows, columns in
      let start = rows.lowerBound * columns
      isa.kernels.pointee.log_softmax_gradient(
        frame.floats(dx) + start, frame.floats(dy) + start, frame.floats(y) + start, rows.count,
        columns)
    }
  }
}
