// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A function of one number; those that networks call activations are in `Activation`.
public enum UnaryFunction: String, Sendable, Hashable, CaseIterable {
  /// -x
  case negate
  /// |x|
  case absolute
  /// eˣ
  case exponential
  /// log x; NaN below 0.
  case logarithm
  /// x²
  case square
  /// 1 / x
  case reciprocal
  /// √x; NaN below 0.
  case squareRoot = "square_root"
  /// 1 / √x
  case reciprocalSquareRoot = "reciprocal_square_root"
  /// -1, 0 or 1.
  case sign
  /// The integer below.
  case floor
  /// The integer above.
  case ceiling
  /// The nearest integer, of two the even one.
  case round
  /// sin x
  case sine
  /// cos x
  case cosine
  /// erf x
  case errorFunction = "error_function"
  /// log(1 + x)
  case logarithmOfOnePlus = "logarithm_of_one_plus"
  /// eˣ - 1
  case exponentialLessOne = "exponential_less_one"

  var code: mk_unary {
    let code =
      switch self {
      case .negate: MK_UNARY_NEGATE
      case .absolute: MK_UNARY_ABSOLUTE
      case .exponential: MK_UNARY_EXPONENTIAL
      case .logarithm: MK_UNARY_LOGARITHM
      case .square: MK_UNARY_SQUARE
      case .reciprocal: MK_UNARY_RECIPROCAL
      case .squareRoot: MK_UNARY_SQUARE_ROOT
      case .reciprocalSquareRoot: MK_UNARY_RECIPROCAL_SQUARE_ROOT
      case .sign: MK_UNARY_SIGN
      case .floor: MK_UNARY_FLOOR
      case .ceiling: MK_UNARY_CEILING
      case .round: MK_UNARY_ROUND
      case .sine: MK_UNARY_SINE
      case .cosine: MK_UNARY_COSINE
      case .errorFunction: MK_UNARY_ERROR_FUNCTION
      case .logarithmOfOnePlus: MK_UNARY_LOGARITHM_OF_ONE_PLUS
      case .exponentialLessOne: MK_UNARY_EXPONENTIAL_LESS_ONE
      }
    return mk_unary(code)
  }
}

extension Graph {
  /// Applies a function, element by element.
  ///
  /// - Throws: `.shapeMismatch` for what is not FP32.
  public mutating func unary(
    _ function: UnaryFunction, _ x: Value
  ) throws(RuntimeError) -> Value {
    try add(Unary(function: function), [x])[0]
  }
}

/// y = f(x).
struct Unary: Operation {
  let function: UnaryFunction
  var name: String { function.rawValue }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "input")
    return [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let (isa, code) = (program.instructionSet, function.code)
    try program.elementwise(name, node.results[0], from: node.operands) { frame, range in
      let start = range.lowerBound
      isa.kernels.pointee.unary(
        frame.floats(y) + start, frame.floats(x) + start, code, range.count)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let (x, y) = (node.operands[0], node.results[0])
    let slope: Graph.Value
    switch function {
    case .negate: return [try graph.unary(.negate, dy)]
    case .absolute: slope = try graph.unary(.sign, x)
    case .exponential: slope = y
    case .logarithm: return [try graph.binary(.divide, dy, x)]
    case .square: slope = try graph.binary(.multiply, x, 2)
    case .reciprocal: slope = try graph.unary(.negate, graph.unary(.square, y))
    case .squareRoot: return [try graph.binary(.divide, graph.binary(.multiply, dy, 0.5), y)]
    case .reciprocalSquareRoot:
      // -y³ / 2
      slope = try graph.binary(
        .multiply, graph.binary(.multiply, y, -0.5), graph.unary(.square, y))
    case .sign, .floor, .ceiling, .round: slope = try graph.constant(0)
    case .sine: slope = try graph.unary(.cosine, x)
    case .cosine: slope = try graph.unary(.negate, graph.unary(.sine, x))
    case .errorFunction:
      // 2 / √π · exp(-x²)
      let density = try graph.unary(
        .exponential, graph.unary(.negate, graph.unary(.square, x)))
      slope = try graph.binary(.multiply, density, 1.128_379_2)
    case .logarithmOfOnePlus:
      return [try graph.binary(.divide, dy, graph.binary(.add, x, 1))]
    case .exponentialLessOne: slope = try graph.binary(.add, y, 1)
    }
    return [try graph.binary(.multiply, dy, slope)]
  }
}
