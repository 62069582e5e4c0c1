// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A function applied to each element; definitions and defaults are PyTorch's.
public enum Activation: String, Sendable, Hashable, CaseIterable {
  /// max(x, 0)
  case relu
  /// 1 / (1 + e⁻ˣ)
  case sigmoid
  /// The hyperbolic tangent.
  case tanh
  /// x where positive, x / 100 elsewhere.
  case leakyRelu = "leaky_relu"
  /// x where positive, eˣ - 1 elsewhere.
  case elu
  /// x · Φ(x), Φ the normal distribution's function.
  case gelu
  /// GELU with Φ approximated by a tanh, as GPT-2 has it.
  case geluTanh = "gelu_tanh"
  /// x / (1 + e⁻ˣ), also called swish.
  case silu
  /// log(1 + eˣ)
  case softplus
  /// min(max(x, 0), 6)
  case relu6
  /// relu6(x + 3) / 6
  case hardSigmoid = "hard_sigmoid"
  /// x · relu6(x + 3) / 6
  case hardSwish = "hard_swish"
  /// min(max(x, -1), 1)
  case hardTanh = "hard_tanh"

  /// Whether the derivative is computed from x; from the result where not.
  public var slopeNeedsInput: Bool {
    switch self {
    case .gelu, .geluTanh, .silu, .hardSwish: true
    default: false
    }
  }
}

extension Graph {
  /// max(x, 0), element by element.
  public mutating func relu(_ x: Value) throws(RuntimeError) -> Value { try activate(x, .relu) }

  /// 1 / (1 + e⁻ˣ), element by element.
  public mutating func sigmoid(_ x: Value) throws(RuntimeError) -> Value {
    try activate(x, .sigmoid)
  }

  /// The hyperbolic tangent, element by element.
  public mutating func tanh(_ x: Value) throws(RuntimeError) -> Value { try activate(x, .tanh) }

  /// Applies an activation, element by element; fused into the operation before it where that is free.
  public mutating func activate(
    _ x: Value, _ activation: Activation
  ) throws(RuntimeError) -> Value {
    try add(Activate(activation: activation), [x])[0]
  }
}

extension Activation {
  /// What the kernels call it.
  var code: mk_activation {
    let code =
      switch self {
      case .relu: MK_ACTIVATION_RELU
      case .sigmoid: MK_ACTIVATION_SIGMOID
      case .tanh: MK_ACTIVATION_TANH
      case .leakyRelu: MK_ACTIVATION_LEAKY_RELU
      case .elu: MK_ACTIVATION_ELU
      case .gelu: MK_ACTIVATION_GELU
      case .geluTanh: MK_ACTIVATION_GELU_TANH
      case .silu: MK_ACTIVATION_SILU
      case .softplus: MK_ACTIVATION_SOFTPLUS
      case .relu6: MK_ACTIVATION_RELU6
      case .hardSigmoid: MK_ACTIVATION_HARD_SIGMOID
      case .hardSwish: MK_ACTIVATION_HARD_SWISH
      case .hardTanh: MK_ACTIVATION_HARD_TANH
      }
    return mk_activation(code)
  }

  /// What the kernels call no activation.
  static let none = mk_activation(MK_ACTIVATION_NONE)
}

/// y = f(x).
struct Activate: Operation {
  let activation: Activation
  var name: String { activation.rawValue }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "input")
    return [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let (isa, code) = (program.instructionSet, activation.code)
    try program.elementwise(name, node.results[0], from: [node.operands[0]]) { frame, range in
      let start = range.lowerBound
      isa.kernels.pointee.activate(
        frame.floats(y) + start, frame.floats(x) + start, code, range.count)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let known = activation.slopeNeedsInput ? node.operands[0] : node.results[0]
    return [try graph.add(ActivateGradient(activation: activation), [dy, known])[0]]
  }
}

/// dx = dy · f'(x), from y = f(x) where that says enough: relu' = y > 0, sigmoid' = y (1 - y),
/// tanh' = 1 - y²; else from x.
struct ActivateGradient: Operation {
  let activation: Activation
  var name: String { "\(activation.rawValue) gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (dy, known) = (
      try program.buffer(node.operands[0]), try program.buffer(node.operands[1])
    )
    let dx = try program.buffer(node.results[0])
    let (isa, code) = (program.instructionSet, activation.code)
    try program.elementwise(name, node.results[0], from: node.operands) { frame, range in
      let start = range.lowerBound
      isa.kernels.pointee.activation_gradient(
        frame.floats(dx) + start, frame.floats(dy) + start, frame.floats(known) + start, code,
        range.count)
    }
  }
}
