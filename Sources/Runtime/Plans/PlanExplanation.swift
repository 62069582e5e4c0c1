// SPDX-License-Identifier: Apache-2.0

/// What a plan does, for people: its operations after fusion, its memory, its estimated work.
public struct PlanExplanation: Sendable {
  /// One operation of the plan.
  public struct Step: Sendable {
    /// The field's word for it: `conv2d`.
    public let name: String
    /// What was merged into it: `batch_norm`, `relu`.
    public let fused: [String]
    /// Where its operands come from: inputs of the plan by name, earlier operations by position.
    public let sources: [Source]
    /// What it gives.
    public let result: TensorType
    /// Elements of the parameters that it reads.
    public let parameterCount: Int
    /// Floating-point operations for one sample, about.
    public let operationCount: Double
  }

  /// Where an operand comes from.
  public enum Source: Sendable, Hashable {
    /// An input of the plan.
    case input(String)
    /// The operation at this position.
    case step(Int)
  }

  /// The inputs.
  public let inputs: [Port]
  /// The operations in the order in which they run.
  public let steps: [Step]
  /// What the plan takes.
  public let memory: MemoryRequirement
  /// The largest batch, for which memory is laid out.
  public let maximumBatch: Int

  /// Elements of all parameters together, each counted where it is read.
  public var parameterCount: Int { steps.reduce(0) { $0 + $1.parameterCount } }

  /// Floating-point operations for one sample, about.
  public var operationCount: Double { steps.reduce(0) { $0 + $1.operationCount } }
}

extension Plan {
  /// What this plan does.
  public var explanation: PlanExplanation {
    var producers: [Graph.Value: Int] = [:]
    let steps = graph.nodes.enumerated().map { index, node in
      for result in node.results { producers[result] = index }
      var sources: [PlanExplanation.Source] = []
      var parameterCount = 0
      for operand in node.operands {
        switch graph.origins[operand.index] {
        case .input(let name): sources.append(.input(name))
        case .parameter: parameterCount += graph.type(of: operand).shape.elementCount
        case .node: if let producer = producers[operand] { sources.append(.step(producer)) }
        }
      }
      let isFolded = (node.operation as? any NormalizationFolding)?.foldedEpsilon != nil
      let activation = (node.operation as? any ActivationFusing)?.activation
      return PlanExplanation.Step(
        name: node.operation.name,
        fused: (isFolded ? ["batch_norm"] : []) + (activation.map { [$0.rawValue] } ?? []),
        sources: sources, result: graph.type(of: node.results[0]), parameterCount: parameterCount,
        operationCount: node.operation.operationCount(node, in: graph))
    }
    return PlanExplanation(
      inputs: inputs, steps: steps, memory: memory, maximumBatch: maximumBatch)
  }
}
