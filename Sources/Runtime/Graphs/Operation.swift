// SPDX-License-Identifier: Apache-2.0

/// A kind of node: its shape rule, its kernel calls and its gradient, in one file each.
protocol Operation: Sendable {
  /// The field's word for it, as in error messages: `conv2d`.
  var name: String { get }

  /// The types of the results for operands of these types.
  ///
  /// - Throws: `.shapeMismatch` or `.invalidArgument`, with the argument's name as field.
  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType]

  /// Adds the steps that compute `node` to a program.
  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError)

  /// Floating-point operations for one sample, about: of products two for each multiplication, of others one
  /// for each element of the results.
  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double

  /// Adds the nodes that compute the gradient of each operand.
  ///
  /// - Parameters:
  ///   - node: the node to differentiate; its operation is `self`.
  ///   - along: the gradient of the loss along each result; `nil` where the loss does not depend on it.
  ///   - wanted: which operands' gradients will be used; others may be left `nil`.
  /// - Returns: one gradient for each operand.
  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?]
}

extension Operation {
  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    Double(graph.type(of: node.results[0]).shape.elementCount)
  }

  /// An operation that only appears in gradients is not differentiated again.
  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    throw RuntimeError(.unsupported, "\(name) has no gradient", operation: name)
  }

  /// Refuses an operand that is not FP32, which is what the kernels compute in.
  func requireFloat(_ type: TensorType, _ field: String) throws(RuntimeError) {
    guard type.datatype == .fp32 else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 elements; came \(type)", operation: name, field: field)
    }
  }

  /// Refuses a parameter of another shape.
  func require(
    _ type: TensorType, shape: [Int], _ field: String
  ) throws(RuntimeError) {
    try requireFloat(type, field)
    guard !type.isBatched, type.shape.dimensions == shape else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 \(shape); came \(type)", operation: name, field: field)
    }
  }
}
