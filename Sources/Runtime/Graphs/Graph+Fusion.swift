// SPDX-License-Identifier: Apache-2.0

/// An operation whose kernel can apply an activation to its result while that is in registers.
protocol ActivationFusing: Operation {
  /// The activation to apply; `nil` for none.
  var activation: Activation? { get set }
}

/// A gradient that can zero its result where a relu's result is not positive, while it is in cache.
///
/// That result is then a further operand; an operation that has its own way to know it may ignore
/// it.
protocol ReluGradientFusing: Operation {
  /// Whether to do so.
  var gatesRelu: Bool { get set }
}

/// An operation with weights and a bias that can take the batch normalisation behind it into them.
///
/// The normalisation's scale, offset, running mean and running variance are then its last four operands.
protocol NormalizationFolding: ActivationFusing {
  /// The normalisation's ε; `nil` for no normalisation.
  var foldedEpsilon: Float? { get set }
}

extension NormalizationFolding {
  /// The bias of a node of this operation, which stands behind input and weights.
  func biasOperand(_ node: Graph.Node) -> Graph.Value? {
    let own = node.operands.count - (foldedEpsilon == nil ? 0 : 4)
    return own > 2 ? node.operands[2] : nil
  }
}

extension Graph {
  /// This graph with only what leads to `outputs`, inputs included, and with activations, forward and backward,
  /// merged into the operation before them where no other operation sees the value between.
  ///
  /// What changes nothing is left out.
  ///
  /// - Parameter foldsNormalizations: merges batch normalisations too, as inference has them.
  func fused(keeping outputs: [Value], foldsNormalizations: Bool = false) -> Graph {
    var graph = self
    graph.nodes = simplified(keeping: outputs, isInference: foldsNormalizations)
      .liveNodes(for: outputs)
    let uses = graph.useCounts(outputs)
    graph.inputs = inputs.filter { uses[$0.index] > 0 }

    var producer: [Value: Int] = [:]
    var merged: [Node] = []
    for node in graph.nodes {
      if let index = node.operands.first.flatMap({ producer[$0] }),
        uses[node.operands[0].index] == 1,
        merged[index].results[0] == node.operands[0],
        let fused = Self.fuse(node, into: merged[index])
          ?? (foldsNormalizations ? Self.fold(node, into: merged[index]) : nil)
      {
        merged[index] = fused
        producer[fused.results[0]] = index
        continue
      }
      for result in node.results { producer[result] = merged.count }
      merged.append(node)
    }
    graph.nodes = merged
    return graph
  }

  private static func fuse(_ node: Node, into previous: Node) -> Node? {
    var fused = previous
    if let activate = node.operation as? Activate,
      var operation = previous.operation as? any ActivationFusing, operation.activation == nil
    {
      operation.activation = activate.activation
      fused.operation = operation
    } else if let gradient = node.operation as? ActivateGradient, gradient.activation == .relu,
      var operation = previous.operation as? any ReluGradientFusing, !operation.gatesRelu
    {
      operation.gatesRelu = true
      fused.operation = operation
      fused.operands.append(node.operands[1])
    } else {
      return nil
    }
    fused.results[0] = node.results[0]
    return fused
  }

  private static func fold(_ node: Node, into previous: Node) -> Node? {
    guard let normalization = node.operation as? BatchNormalization,
      normalization.activation == nil,
      var operation = previous.operation as? any NormalizationFolding,
      operation.foldedEpsilon == nil, operation.activation == nil
    else { return nil }
    var folded = previous
    operation.foldedEpsilon = normalization.epsilon
    folded.operation = operation
    folded.operands += node.operands[1...]
    folded.results[0] = node.results[0]
    return folded
  }

  private func liveNodes(for outputs: [Value]) -> [Node] {
    var live = Set(outputs)
    var result: [Node] = []
    for node in nodes.reversed() where node.results.contains(where: live.contains) {
      live.formUnion(node.operands)
      result.append(node)
    }
    return result.reversed()
  }
}
