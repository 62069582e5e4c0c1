// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A function of two numbers.
public enum BinaryFunction: String, Sendable, Hashable, CaseIterable {
  /// a + b
  case add
  /// a - b
  case subtract
  /// a · b
  case multiply
  /// a / b
  case divide
  /// aᵇ; NaN for a negative a and a b that is no integer.
  case power
  /// The smaller one; NaN where either is.
  case minimum
  /// The larger one; NaN where either is.
  case maximum

  var code: mk_binary {
    let code =
      switch self {
      case .add: MK_BINARY_ADD
      case .subtract: MK_BINARY_SUBTRACT
      case .multiply: MK_BINARY_MULTIPLY
      case .divide: MK_BINARY_DIVIDE
      case .power: MK_BINARY_POWER
      case .minimum: MK_BINARY_MINIMUM
      case .maximum: MK_BINARY_MAXIMUM
      }
    return mk_binary(code)
  }
}

extension Graph {
  /// Applies a function of two tensors, element by element, with broadcasting.
  ///
  /// Shapes of samples are aligned at their ends and an extent of one is stretched; a tensor without a batch is the
  /// same for every sample.
  ///
  /// - Throws: `.shapeMismatch` for what is not FP32 or does not broadcast.
  public mutating func binary(
    _ function: BinaryFunction, _ a: Value, _ b: Value
  ) throws(RuntimeError) -> Value {
    try add(Binary(function: function), [a, b])[0]
  }

  /// The same with one number for all of the second operand.
  public mutating func binary(
    _ function: BinaryFunction, _ a: Value, _ b: Float
  ) throws(RuntimeError) -> Value {
    try binary(function, a, constant(b))
  }
}

/// y = f(a, b).
struct Binary: Operation {
  let function: BinaryFunction
  var name: String { function.rawValue }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "a")
    try requireFloat(operands[1], "b")
    return [try broadcastType(operands, .fp32, "b")]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (a, b) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let y = try program.buffer(node.results[0])
    let (isa, code) = (program.instructionSet, function.code)
    try program.broadcast(name, node.results[0], from: node.operands) {
      frame, offsets, steps, count in
      isa.kernels.pointee.binary(
        frame.floats(y) + offsets[0], frame.floats(a) + offsets[1], steps[1],
        frame.floats(b) + offsets[2], steps[2], code, count)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil, nil] }
    let (a, b, y) = (node.operands[0], node.operands[1], node.results[0])
    let da = wanted[0] ? try gradient(alongFirst: dy, a, b, y, in: &graph) : nil
    let db = wanted[1] ? try gradient(alongSecond: dy, a, b, y, in: &graph) : nil
    return [try graph.sum(da, toTypeOf: a), try graph.sum(db, toTypeOf: b)]
  }

  private func gradient(
    alongFirst dy: Graph.Value, _ a: Graph.Value, _ b: Graph.Value, _ y: Graph.Value,
    in graph: inout Graph
  ) throws(RuntimeError) -> Graph.Value {
    switch function {
    case .add, .subtract: return dy
    case .multiply: return try graph.binary(.multiply, dy, b)
    case .divide: return try graph.binary(.divide, dy, b)
    case .power:
      // b aᵇ⁻¹
      let lower = try graph.binary(.power, a, graph.binary(.subtract, b, 1))
      return try graph.binary(.multiply, dy, graph.binary(.multiply, b, lower))
    case .minimum, .maximum: return try graph.share(of: dy, to: a, chosenOver: b, as: y)
    }
  }

  private func gradient(
    alongSecond dy: Graph.Value, _ a: Graph.Value, _ b: Graph.Value, _ y: Graph.Value,
    in graph: inout Graph
  ) throws(RuntimeError) -> Graph.Value {
    switch function {
    case .add: return dy
    case .subtract: return try graph.unary(.negate, dy)
    case .multiply: return try graph.binary(.multiply, dy, a)
    case .divide:
      let quotient = try graph.binary(.divide, y, b)
      return try graph.unary(.negate, graph.binary(.multiply, dy, quotient))
    case .power:
      // aᵇ log a; 0 where a is 0, as PyTorch has it.
      let slope = try graph.binary(.multiply, y, graph.unary(.logarithm, a))
      let zero = try graph.constant(0)
      let isZero = try graph.compare(.equal, a, zero)
      return try graph.binary(.multiply, dy, graph.select(isZero, zero, slope))
    case .minimum, .maximum: return try graph.share(of: dy, to: b, chosenOver: a, as: y)
    }
  }
}

extension Graph {
  /// dy where `operand` was chosen as y, half of it where both are equal, else zero.
  fileprivate mutating func share(
    of dy: Value, to operand: Value, chosenOver other: Value, as y: Value
  ) throws(RuntimeError) -> Value {
    let zero = try constant(0)
    let isTie = try compare(.equal, operand, other)
    let whole = try select(compare(.equal, operand, y), dy, zero)
    return try select(isTie, binary(.multiply, dy, 0.5), whole)
  }
}
