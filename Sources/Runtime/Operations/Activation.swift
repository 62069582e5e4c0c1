// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A function applied to each element, whose derivative follows from its result.
public enum Activation: String, Sendable, Hashable, CaseIterable {
  /// max(x, 0)
  case relu
  /// 1 / (1 + e⁻ˣ)
  case sigmoid
  /// The hyperbolic tangent.
  case tanh
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
    switch self {
    case .relu: mk_activation(MK_ACTIVATION_RELU)
    case .sigmoid: mk_activation(MK_ACTIVATION_SIGMOID)
    case .tanh: mk_activation(MK_ACTIVATION_TANH)
    }
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
    return [try graph.add(ActivateGradient(activation: activation), [dy, node.results[0]])[0]]
  }
}

/// dx = dy · f'(x), from y = f(x): relu' = y > 0, sigmoid' = y (1 - y), tanh' = 1 - y².
struct ActivateGradient: Operation {
  let activation: Activation
  var name: String { "\(activation.rawValue) gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (dy, y) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let dx = try program.buffer(node.results[0])
    let (isa, code) = (program.instructionSet, activation.code)
    try program.elementwise(name, node.results[0], from: node.operands) { frame, range in
      let start = range.lowerBound
      isa.kernels.pointee.activation_gradient(
        frame.floats(dx) + start, frame.floats(dy) + start, frame.floats(y) + start, code,
        range.count)
    }
  }
}
