// SPDX-License-Identifier: Apache-2.0

import CKernels

/// The end of a training step: gradients are penalised and clipped, and the optimizer moves all parameters
/// in one pass.
///
/// Parameters are cut into parts by their shapes, and sums over all of them are added part by part in order,
/// so that the bits do not depend on the threads.
struct ParameterUpdates {
  /// A parameter that has a gradient.
  struct Parameter {
    /// Its floats in the parameters, the gradients and the optimizer's tensors.
    let range: Range<Int>
    /// Whether L1 and L2 hold for it.
    let isPenalized: Bool
  }

  /// A part that is one tile's work.
  private struct Part: Sendable {
    let parameter: Int
    let start: Int
    let count: Int
    let isPenalized: Bool
  }

  private let optimizer: Optimizer
  private let rules: GradientRules
  private let parameters: AlignedMemory
  private let gradients: AlignedMemory
  private let slots: [AlignedMemory]
  private let parts: [Part]
  private let parameterCount: Int
  private let isa: InstructionSet

  /// What PyTorch's `clip_grad_norm_` adds to the norm before it divides.
  private static let normOffset: Float = 1e-6

  init(
    optimizer: Optimizer, rules: GradientRules, parameters: AlignedMemory, gradients: AlignedMemory,
    slots: [AlignedMemory], _ updates: [Parameter], isa: InstructionSet
  ) {
    self.optimizer = optimizer
    self.rules = rules
    self.parameters = parameters
    self.gradients = gradients
    self.slots = slots
    self.isa = isa
    parameterCount = updates.count
    let size = Tiling.elements / 2
    parts = updates.enumerated().flatMap { index, update in
      stride(from: update.range.lowerBound, to: update.range.upperBound, by: size).map {
        Part(
          parameter: index, start: $0, count: min(update.range.upperBound - $0, size),
          isPenalized: update.isPenalized)
      }
    }
  }

  func emit(into program: inout ProgramBuilder) throws(RuntimeError) {
    let factor = try emitRules(into: &program)
    if case .lamb = optimizer {
      try emitLAMB(factor: factor, into: &program)
    } else {
      emitPass(factor: factor, into: &program)
    }
  }

  /// Penalties and clipping.
  ///
  /// - Returns: the factor for all gradients that a bound on their norm asks for.
  private func emitRules(into program: inout ProgramBuilder) throws(RuntimeError) -> Buffer? {
    guard rules.hasPenalty || rules.clipping != nil else { return nil }
    let (isa, rules, parts) = (isa, rules, parts)
    let (parameters, gradients) = (parameters, gradients)
    let bound: Float? = if case .norm(let bound) = rules.clipping { bound } else { nil }
    let squares = try program.temporary(floats: parts.count)
    program.step(
      "gradient rules", reads: [], writes: [squares], tiles: { _ in parts.count }
    ) { frame, tile, _ in
      let part = parts[tile]
      let gradient = gradients.floats + part.start
      if rules.hasPenalty, part.isPenalized {
        isa.kernels.pointee.penalize(
          gradient, parameters.floats + part.start, rules.l1, rules.l2, part.count)
      }
      if case .value(let bound) = rules.clipping {
        isa.kernels.pointee.clamp(gradient, gradient, -bound, bound, part.count)
      }
      if bound != nil {
        frame.floats(squares)[tile] = isa.kernels.pointee.sum_of_squares(gradient, part.count)
      }
    }
    guard let bound else { return nil }
    let factor = try program.temporary(floats: 1)
    program.step(
      "gradient norm", reads: [squares], writes: [factor], tiles: { _ in 1 }
    ) { frame, _, _ in
      let norm = isa.kernels.pointee.sum(frame.floats(squares), parts.count).squareRoot()
      frame.floats(factor)[0] = min(1, bound / (norm + Self.normOffset))
    }
    return factor
  }

  private func emitPass(factor: Buffer?, into program: inout ProgramBuilder) {
    let (isa, optimizer, parts) = (isa, optimizer, parts)
    let (parameters, gradients, slots) = (parameters, gradients, slots)
    program.step(
      optimizer.name, reads: factor.map { [$0] } ?? [], writes: [], tiles: { _ in parts.count }
    ) { frame, tile, _ in
      let (start, count) = (parts[tile].start, parts[tile].count)
      let scale = factor.map { frame.floats($0)[0] } ?? 1
      let (parameter, gradient) = (parameters.floats + start, gradients.floats + start)
      switch optimizer {
      case .sgd(_, let momentum, let nesterov, let decay):
        var options = mk_sgd(
          learning_rate: frame.learningRate, momentum: momentum, weight_decay: decay,
          nesterov: nesterov ? 1 : 0, gradient_scale: scale)
        isa.kernels.pointee.sgd(
          &options, parameter, slots.first.map { $0.floats + start }, gradient, count)
      case .adagrad(_, let epsilon, let decay):
        var options = mk_adagrad(
          learning_rate: frame.learningRate, epsilon: epsilon, weight_decay: decay,
          gradient_scale: scale)
        isa.kernels.pointee.adagrad(
          &options, parameter, slots[0].floats + start, gradient, count)
      case .rmsProp(_, let squares, let momentum, let epsilon, let decay):
        var options = mk_rmsprop(
          learning_rate: frame.learningRate, decay: squares, momentum: momentum,
          epsilon: epsilon, weight_decay: decay, gradient_scale: scale)
        isa.kernels.pointee.rmsprop(
          &options, parameter, slots[0].floats + start,
          slots.count > 1 ? slots[1].floats + start : nil, gradient, count)
      case .adam, .adamW, .lamb:
        var options = Self.adam(optimizer, frame, scale)
        isa.kernels.pointee.adam(
          &options, parameter, slots[0].floats + start, slots[1].floats + start, gradient, count)
      }
    }
  }

  /// Directions first, which take the gradients' place, then each parameter's norm and its direction's, then
  /// the move.
  private func emitLAMB(
    factor: Buffer?, into program: inout ProgramBuilder
  ) throws(RuntimeError) {
    let (isa, optimizer, parts, parameterCount) = (isa, optimizer, parts, parameterCount)
    let (parameters, gradients, slots) = (parameters, gradients, slots)
    // Of each part the sum of squares of the parameter and of the direction.
    let squares = try program.temporary(floats: 2 * parts.count)
    program.step(
      "lamb direction", reads: factor.map { [$0] } ?? [], writes: [squares],
      tiles: { _ in parts.count }
    ) { frame, tile, _ in
      let (start, count) = (parts[tile].start, parts[tile].count)
      var options = Self.adam(optimizer, frame, factor.map { frame.floats($0)[0] } ?? 1)
      let (parameter, direction) = (parameters.floats + start, gradients.floats + start)
      isa.kernels.pointee.lamb_direction(
        &options, parameter, slots[0].floats + start, slots[1].floats + start, direction, count)
      frame.floats(squares)[2 * tile] = isa.kernels.pointee.sum_of_squares(parameter, count)
      frame.floats(squares)[2 * tile + 1] = isa.kernels.pointee.sum_of_squares(direction, count)
    }
    let ratios = try program.temporary(floats: parameterCount)
    program.step(
      "lamb ratios", reads: [squares], writes: [ratios], tiles: { _ in 1 }
    ) { frame, _, _ in
      let ratio = frame.floats(ratios)
      var tile = 0
      for parameter in 0..<parameterCount {
        var (weight, direction): (Float, Float) = (0, 0)
        while tile < parts.count, parts[tile].parameter == parameter {
          weight += frame.floats(squares)[2 * tile]
          direction += frame.floats(squares)[2 * tile + 1]
          tile += 1
        }
        ratio[parameter] = weight > 0 && direction > 0 ? (weight / direction).squareRoot() : 1
      }
    }
    program.step("lamb", reads: [ratios], writes: [], tiles: { _ in parts.count }) {
      frame, tile, _ in
      let (start, count) = (parts[tile].start, parts[tile].count)
      isa.kernels.pointee.axpy(
        parameters.floats + start, gradients.floats + start,
        -frame.learningRate * frame.floats(ratios)[parts[tile].parameter], count)
    }
  }

  /// The settings of the Adam family at a step.
  private static func adam(
    _ optimizer: Optimizer, _ frame: borrowing Frame, _ scale: Float
  ) -> mk_adam {
    switch optimizer {
    case .adam(_, let beta1, let beta2, let epsilon, let decay),
      .adamW(_, let beta1, let beta2, let epsilon, let decay),
      .lamb(_, let beta1, let beta2, let epsilon, let decay):
      mk_adam(
        learning_rate: frame.learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
        weight_decay: decay, decoupled: optimizer.isDecoupled ? 1 : 0,
        correction1: correction(beta1, frame.step), correction2: correction(beta2, frame.step),
        gradient_scale: scale)
    case .sgd, .adagrad, .rmsProp:
      preconditionFailure("\(optimizer.name) has no moments")
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
  fileprivate var isDecoupled: Bool {
    if case .adamW = self { true } else { false }
  }
}
