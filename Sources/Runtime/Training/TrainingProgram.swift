// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A training step as a program: forward, gradients, and the optimizer over all parameters at its end.
struct TrainingProgram {
  let program: Program
  /// What the program computes.
  let graph: Graph
  /// Gradients, laid out as the parameters.
  let gradients: AlignedMemory
  /// The optimizer's tensors, each laid out as the parameters.
  let slots: [AlignedMemory]

  init(
    _ graph: Graph, loss: Graph.Value, outputs: [Graph.Value], optimizer: Optimizer,
    parameters: Parameters, maximumBatch: Int, instructionSet: InstructionSet
  ) throws(RuntimeError) {
    var graph = graph
    let trained = zip(graph.parameters, parameters.entries).filter { $0.0.isTrainable }
    let gradients = try graph.differentiate(loss, along: trained.map { $0.0.value })
    let wanted = [loss] + outputs + gradients.compactMap { $0 }
    self.graph = graph.fused(keeping: wanted)
    var builder = ProgramBuilder(
      self.graph, outputs: wanted, mode: .training, maximumBatch: maximumBatch,
      instructionSet: instructionSet, parameterOffsets: parameters.entries.map { $0.offset })

    var updates: [Range<Int>] = []
    var copies: [(value: Graph.Value, to: Buffer)] = []
    for ((_, entry), gradient) in zip(trained, gradients) {
      guard let gradient else { continue }
      if !builder.place(gradient, asGradientAt: entry.offset) {
        copies.append((gradient, builder.gradient(at: entry.offset)))
      }
      updates.append(entry.offset..<entry.offset + entry.shape.elementCount)
    }
    try builder.emitNodes()
    for copy in copies { try builder.copy(copy.value, to: copy.to) }

    let state = try AlignedMemory.floats(parameters.floatCount)
    var slots: [AlignedMemory] = []
    for _ in optimizer.slots { slots.append(try AlignedMemory.floats(parameters.floatCount)) }
    builder.emit(
      optimizer, over: updates, parameters: parameters.memory, gradients: state, slots: slots)
    program = try builder.build(outputs: [loss] + outputs)
    self.gradients = state
    self.slots = slots
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

  /// Adds the step that moves the parameters, all of them in one pass.
  ///
  /// - Parameter ranges: the floats of each parameter that has a gradient.
  mutating func emit(
    _ optimizer: Optimizer, over ranges: [Range<Int>], parameters: AlignedMemory,
    gradients: AlignedMemory, slots: [AlignedMemory]
  ) {
    let isa = instructionSet
    let parts = ranges.flatMap { range in
      stride(from: range.lowerBound, to: range.upperBound, by: Tiling.elements / 2).map {
        $0..<min(range.upperBound, $0 + Tiling.elements / 2)
      }
    }
    step(optimizer.name, reads: [], writes: [], tiles: { _ in parts.count }) { frame, tile, _ in
      let (start, count) = (parts[tile].lowerBound, parts[tile].count)
      switch optimizer {
      case .sgd(_, let momentum, let nesterov, let decay):
        var options = mk_sgd(
          learning_rate: frame.learningRate, momentum: momentum, weight_decay: decay,
          nesterov: nesterov ? 1 : 0, gradient_scale: 1)
        isa.kernels.pointee.sgd(
          &options, parameters.floats + start, slots.first.map { $0.floats + start },
          gradients.floats + start, count)
      case .adam(_, let beta1, let beta2, let epsilon, let decay),
        .adamW(_, let beta1, let beta2, let epsilon, let decay):
        var options = mk_adam(
          learning_rate: frame.learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
          weight_decay: decay, decoupled: optimizer.isDecoupled ? 1 : 0,
          correction1: Self.correction(beta1, frame.step),
          correction2: Self.correction(beta2, frame.step), gradient_scale: 1)
        isa.kernels.pointee.adam(
          &options, parameters.floats + start, slots[0].floats + start, slots[1].floats + start,
          gradients.floats + start, count)
      }
    }
  }

  /// 1 - βᵗ, by squaring, which needs no mathematical library and gives the same bits everywhere.
  private static func correction(_ beta: Float, _ step: UInt64) -> Float {
    var (power, base, exponent) = (1.0, Double(beta), step)
    while exponent > 0 {
      if exponent & 1 == 1 { power *= base }
      base *= base
      exponent >>= 1
    }
    return Float(1 - power)
  }
}

extension Optimizer {
  /// Whether weight decay stays out of the gradient.
  var isDecoupled: Bool {
    if case .adamW = self { true } else { false }
  }
}
