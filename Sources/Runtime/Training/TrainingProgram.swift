// SPDX-License-Identifier: Apache-2.0

/// A training step as a program: forward, gradients, and the optimizer over all parameters at its end.
struct TrainingProgram {
  let program: Program
  /// What the program computes.
  let graph: Graph

  /// What the optimizer's steps work on.
  struct State {
    let parameters: AlignedMemory
    /// Gradients, laid out as the parameters.
    let gradients: AlignedMemory
    /// The optimizer's tensors, each laid out as the parameters.
    let slots: [AlignedMemory]
  }

  /// - Parameter memory: where the steps will work; compiling reads and writes nothing of it.
  init(
    _ graph: Graph, loss: Graph.Value, outputs: [Graph.Value], optimizer: Optimizer,
    rules: GradientRules, _ entries: [Parameters.Entry], memory: State, maximumBatch: Int,
    instructionSet: InstructionSet
  ) throws(RuntimeError) {
    var graph = graph
    let trained = zip(graph.parameters, entries).filter { $0.0.isTrainable }
    let gradients = try graph.differentiate(loss, along: trained.map { $0.0.value })
    let wanted = [loss] + outputs + gradients.compactMap { $0 }
    self.graph = graph.fused(keeping: wanted)
    var builder = ProgramBuilder(
      self.graph, outputs: wanted, mode: .training, maximumBatch: maximumBatch,
      instructionSet: instructionSet, parameterOffsets: entries.map { $0.offset })

    var updates: [ParameterUpdates.Parameter] = []
    var copies: [(value: Graph.Value, to: Buffer)] = []
    for ((_, entry), gradient) in zip(trained, gradients) {
      guard let gradient else { continue }
      if !builder.place(gradient, asGradientAt: entry.offset) {
        copies.append((gradient, builder.gradient(at: entry.offset)))
      }
      updates.append(
        .init(
          range: entry.offset..<entry.offset + entry.shape.elementCount,
          isPenalized: entry.shape.rank > 1))
    }
    try builder.emitNodes()
    for copy in copies { try builder.copy(copy.value, to: copy.to) }

    let steps = ParameterUpdates(
      optimizer: optimizer, rules: rules, parameters: memory.parameters,
      gradients: memory.gradients, slots: memory.slots, updates, isa: instructionSet)
    try steps.emit(into: &builder)
    program = try builder.build(outputs: [loss] + outputs)
  }
}

extension TrainingProgram {
  /// A program that is looked at and never run.
  static func withoutMemory(
    _ graph: Graph, loss: Graph.Value, outputs: [Graph.Value], optimizer: Optimizer,
    rules: GradientRules, _ entries: [Parameters.Entry], maximumBatch: Int,
    instructionSet: InstructionSet
  ) throws(RuntimeError) -> TrainingProgram {
    let nothing = try AlignedMemory(byteCount: 0)
    return try TrainingProgram(
      graph, loss: loss, outputs: outputs, optimizer: optimizer, rules: rules, entries,
      memory: .init(
        parameters: nothing, gradients: nothing, slots: optimizer.slots.map { _ in nothing }),
      maximumBatch: maximumBatch, instructionSet: instructionSet)
  }
}

extension ProgramBuilder {
  /// Adds a step that copies a gradient to where the optimizer reads it.
  mutating func copy(_ value: Graph.Value, to destination: Buffer) throws(RuntimeError) {
    let source = try buffer(value)
    let count = type(of: value).shape.elementCount
    step("copy", reads: [source], writes: [destination], tiles: { _ in 1 }) { frame, _, _ in
      frame.floats(destination).update(from: frame.floats(source), count: count)
    }
  }
}
