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
  /// The operations that are computed once, when the plan is made, because they depend on parameters alone.
  public let constants: [String]
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
    PlanExplanation(of: graph, isInference: true, memory: memory, maximumBatch: maximumBatch)
  }

  /// What a plan of these outputs would do.
  ///
  /// - Throws: as `init`, of which it is the part that needs no memory.
  public static func explanation(
    of graph: Graph, outputs: [Graph.Value], maximumBatch: Int, instructionSet: InstructionSet
  ) throws(RuntimeError) -> PlanExplanation {
    let (entries, _) = try Parameters.layout(of: graph)
    let compiled = try compile(
      graph, outputs: outputs, entries, maximumBatch: maximumBatch, instructionSet)
    return PlanExplanation(
      of: compiled.graph, isInference: true,
      memory: try memory(
        of: graph, outputs: outputs, maximumBatch: maximumBatch, instructionSet: instructionSet),
      maximumBatch: maximumBatch)
  }
}

extension TrainingSession {
  /// What a step of a session with these settings would do, forward, gradients and updates; the optimizer's
  /// own pass over all parameters is not among the operations.
  ///
  /// - Throws: as `init`, of which it is the part that needs no memory.
  public static func explanation(
    of graph: Graph, loss: Graph.Value, outputs: [Graph.Value] = [], optimizer: Optimizer,
    rules: GradientRules = GradientRules(), maximumBatch: Int, instructionSet: InstructionSet
  ) throws(RuntimeError) -> PlanExplanation {
    let (entries, _) = try Parameters.layout(of: graph)
    let compiled = try TrainingProgram.withoutMemory(
      graph, loss: loss, outputs: outputs, optimizer: optimizer, rules: rules, entries,
      maximumBatch: maximumBatch, instructionSet: instructionSet)
    return PlanExplanation(
      of: compiled.graph, isInference: false,
      memory: try memory(
        of: graph, loss: loss, outputs: outputs, optimizer: optimizer, rules: rules,
        maximumBatch: maximumBatch, instructionSet: instructionSet),
      maximumBatch: maximumBatch)
  }
}

extension PlanExplanation {
  /// - Parameters:
  ///   - graph: as it was compiled, after fusion.
  ///   - isInference: whether what depends on parameters alone is computed once.
  init(of graph: Graph, isInference: Bool, memory: MemoryRequirement, maximumBatch: Int) {
    let constantNodes = isInference ? graph.constantNodes : []
    var producers: [Graph.Value: Int] = [:]
    var steps: [Step] = []
    var constants: [String] = []
    for (position, node) in graph.nodes.enumerated() {
      guard !constantNodes.contains(position) else {
        constants.append(node.operation.name)
        continue
      }
      for result in node.results { producers[result] = steps.count }
      var sources: [Source] = []
      var parameterCount = 0
      for operand in node.operands {
        switch graph.origins[operand.index] {
        case .input(let name): sources.append(.input(name))
        case .parameter: parameterCount += graph.type(of: operand).shape.elementCount
        case .node:
          if let producer = producers[operand] {
            sources.append(.step(producer))
          } else {
            parameterCount += graph.type(of: operand).shape.elementCount
          }
        }
      }
      steps.append(
        Step(
          name: node.operation.name, fused: Self.merged(into: node.operation), sources: sources,
          result: graph.type(of: node.results[0]), parameterCount: parameterCount,
          operationCount: node.operation.operationCount(node, in: graph)))
    }
    self.steps = steps
    self.constants = constants
    inputs = graph.ports
    self.memory = memory
    self.maximumBatch = maximumBatch
  }

  /// What was merged into an operation, in the order in which it is applied.
  private static func merged(into operation: any Operation) -> [String] {
    if let chain = operation as? ElementwiseChain {
      return chain.links.dropFirst().map { $0.operation.name }
    }
    if let residual = operation as? Residual {
      return merged(into: residual.product) + ["add"]
        + (residual.activation.map { [$0.rawValue] } ?? [])
    }
    let isFolded = (operation as? any NormalizationFolding)?.foldedEpsilon != nil
    let activation = (operation as? any ActivationFusing)?.activation
    let gatesRelu = (operation as? any ReluGradientFusing)?.gatesRelu ?? false
    return (isFolded ? ["batch_norm"] : []) + (activation.map { [$0.rawValue] } ?? [])
      + (gatesRelu ? ["relu gradient"] : [])
  }
}
