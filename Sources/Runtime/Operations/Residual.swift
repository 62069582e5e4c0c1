// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A product that can add another value to its result, tile by tile while a tile is in cache.
protocol ResidualFusing: ActivationFusing {
  /// Emits the operation with `tail` behind every tile instead of its own activation, which it has none of.
  func emit(
    _ node: Graph.Node, tail: ResidualTail?, into program: inout ProgramBuilder
  ) throws(RuntimeError)
}

/// What happens to a part of a product's result before it leaves the cache: y = f(y + r).
struct ResidualTail: Sendable {
  /// What is added, laid out as the result.
  let residual: Buffer
  let activation: mk_activation
  let isa: InstructionSet

  /// What the operation reads beside its own operands.
  var reads: [Buffer] { [residual] }

  /// Works on some rows and columns of a result whose rows are `stride` apart.
  func apply(
    _ frame: borrowing Frame, to y: Buffer, rows: Range<Int>, columns: Range<Int>, stride: Int
  ) {
    let kernels = isa.kernels
    // Whole rows lie behind each other.
    let isWhole = columns.count == stride
    let count = isWhole ? rows.count * stride : columns.count
    for row in isWhole ? rows.lowerBound..<(rows.lowerBound + min(1, rows.count)) : rows {
      let start = row * stride + columns.lowerBound
      let out = frame.floats(y) + start
      kernels.pointee.add(out, out, frame.floats(residual) + start, count)
      if activation != Activation.none { kernels.pointee.activate(out, out, activation, count) }
    }
  }
}

/// y = f(product + r): the end of a residual block (He et al., 2016) in one operation.
struct Residual: ActivationFusing {
  let product: any ResidualFusing
  var activation: Activation?
  var name: String { product.name }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try product.resultTypes(of: operands.dropLast())
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    var inner = node
    let residual = inner.operands.removeLast()
    let tail = ResidualTail(
      residual: try program.buffer(residual), activation: activation?.code ?? Activation.none,
      isa: program.instructionSet)
    try product.emit(inner, tail: tail, into: &program)
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    var inner = node
    inner.operands.removeLast()
    return product.operationCount(inner, in: graph)
      + Double(graph.type(of: node.results[0]).shape.elementCount)
  }
}

extension Graph {
  /// This graph with sums, and activations behind them, merged into the convolution or dense product that one of
  /// their operands is, where nothing else sees that.
  func withResiduals(keeping outputs: [Value]) -> Graph {
    var graph = self
    let uses = useCounts(outputs)
    var merged: [Node] = []
    for node in nodes {
      func isRead(_ candidate: Node) -> Bool {
        node.operands.contains(candidate.results[0]) && uses[candidate.results[0].index] == 1
      }
      let product = merged.lastIndex { candidate in
        let operation = candidate.operation as? any ResidualFusing
        return operation != nil && operation?.activation == nil && isRead(candidate)
      }
      let block = merged.lastIndex { candidate in
        let operation = candidate.operation as? Residual
        return operation != nil && operation?.activation == nil && isRead(candidate)
      }
      if node.operation is Add, let product,
        let operation = merged[product].operation as? any ResidualFusing,
        let other = node.operands.first(where: { $0 != merged[product].results[0] })
      {
        // Moved here, where the other operand is made.
        let previous = merged.remove(at: product)
        merged.append(
          Node(
            operation: Residual(product: operation), operands: previous.operands + [other],
            results: node.results))
      } else if let activate = node.operation as? Activate, let block,
        var residual = merged[block].operation as? Residual
      {
        residual.activation = activate.activation
        merged[block].operation = residual
        merged[block].results = node.results
      } else {
        merged.append(node)
      }
    }
    graph.nodes = merged
    return graph
  }
}
