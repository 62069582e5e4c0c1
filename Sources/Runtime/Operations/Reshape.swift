// SPDX-License-Identifier: Apache-2.0

extension Graph {
  /// Each sample as one vector; costs nothing, the memory stays where it is.
  public mutating func flatten(_ x: Value) throws(RuntimeError) -> Value {
    try add(Reshape(shape: type(of: x).shape.flattened), [x])[0]
  }

  /// The same elements of each sample under another shape; costs nothing.
  ///
  /// - Throws: `.shapeMismatch` for a shape of another number of elements.
  public mutating func reshape(_ x: Value, to shape: Shape) throws(RuntimeError) -> Value {
    try add(Reshape(shape: shape), [x])[0]
  }
}

/// The same elements under another shape.
struct Reshape: Operation {
  let shape: Shape
  var name: String { "reshape" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    guard shape.elementCount == operands[0].shape.elementCount else {
      throw RuntimeError(
        .shapeMismatch,
        "expected \(operands[0].shape.elementCount) elements, as \(operands[0]) has; came \(shape)",
        operation: name, field: "shape")
    }
    return [TensorType(operands[0].datatype, shape, isBatched: operands[0].isBatched)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    try program.forward(name, node.results[0], from: node.operands[0])
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    return [try graph.add(Reshape(shape: graph.type(of: node.operands[0]).shape), [dy])[0]]
  }
}
