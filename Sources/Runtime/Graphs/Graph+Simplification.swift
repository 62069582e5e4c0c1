// SPDX-License-Identifier: Apache-2.0

/// An operation that under some settings gives its operand as it is.
protocol Identity: Operation {
  /// Whether the result is the first operand, type included.
  ///
  /// - Parameter isInference: whether the graph is compiled to answer, not to learn.
  func isIdentity(_ operands: [TensorType], isInference: Bool) -> Bool
}

extension Dropout: Identity {
  func isIdentity(_ operands: [TensorType], isInference: Bool) -> Bool { isInference || rate == 0 }
}

extension Reshape: Identity {
  func isIdentity(_ operands: [TensorType], isInference: Bool) -> Bool {
    operands[0].shape == shape
  }
}

extension Convert: Identity {
  func isIdentity(_ operands: [TensorType], isInference: Bool) -> Bool {
    operands[0].datatype == .fp32 && scale == 1 && offset == 0
  }
}

extension Graph {
  /// This graph without operations that change nothing, and with one reshape where several follow each other.
  ///
  /// - Parameter outputs: stay values of operations of their own.
  func simplified(keeping outputs: [Value], isInference: Bool) -> Graph {
    var graph = self
    var replaced: [Value: Value] = [:]
    var reshaped: [Value: Value] = [:]
    graph.nodes = nodes.compactMap { original in
      var node = original
      node.operands = node.operands.map { replaced[$0] ?? $0 }
      if node.operation is Reshape, let source = reshaped[node.operands[0]] {
        node.operands[0] = source
      }
      let types = node.operands.map { type(of: $0) }
      if let identity = node.operation as? any Identity, !outputs.contains(node.results[0]),
        identity.isIdentity(types, isInference: isInference)
      {
        replaced[node.results[0]] = node.operands[0]
        return nil
      }
      if node.operation is Reshape { reshaped[node.results[0]] = node.operands[0] }
      return node
    }
    return graph
  }
}
