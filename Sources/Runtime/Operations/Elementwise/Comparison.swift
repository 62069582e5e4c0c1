// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A question about two numbers; of a NaN only `notEqual` is true.
public enum Comparison: String, Sendable, Hashable, CaseIterable {
  /// a = b
  case equal
  /// a ≠ b
  case notEqual = "not_equal"
  /// a < b
  case less
  /// a ≤ b
  case lessOrEqual = "less_or_equal"
  /// a > b
  case greater
  /// a ≥ b
  case greaterOrEqual = "greater_or_equal"

  var code: mk_comparison {
    let code =
      switch self {
      case .equal: MK_COMPARISON_EQUAL
      case .notEqual: MK_COMPARISON_NOT_EQUAL
      case .less: MK_COMPARISON_LESS
      case .lessOrEqual: MK_COMPARISON_LESS_OR_EQUAL
      case .greater: MK_COMPARISON_GREATER
      case .greaterOrEqual: MK_COMPARISON_GREATER_OR_EQUAL
      }
    return mk_comparison(code)
  }
}

extension Graph {
  /// Compares two tensors of FP32, or of INT32, element by element with broadcasting.
  ///
  /// - Returns: BOOL. No gradient passes.
  /// - Throws: `.shapeMismatch` for other types or shapes that do not broadcast.
  public mutating func compare(
    _ comparison: Comparison, _ a: Value, _ b: Value
  ) throws(RuntimeError) -> Value {
    try add(Compare(comparison: comparison), [a, b])[0]
  }
}

/// y = a ? b.
struct Compare: Operation {
  let comparison: Comparison
  var name: String { comparison.rawValue }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (a, b) = (operands[0], operands[1])
    guard a.datatype == .fp32 || a.datatype == .int32 else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 or INT32 elements; came \(a)", operation: name, field: "a")
    }
    guard b.datatype == a.datatype else {
      throw RuntimeError(
        .shapeMismatch, "expected \(a.datatype.rawValue) elements, as the first operand; came \(b)",
        operation: name, field: "b")
    }
    return [try broadcastType(operands, .bool, "b")]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (a, b) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let y = try program.buffer(node.results[0])
    let (isa, code) = (program.instructionSet, comparison.code)
    let isFloat = program.type(of: node.operands[0]).datatype == .fp32
    try program.broadcast(name, node.results[0], from: node.operands) {
      frame, offsets, steps, count in
      let out = frame.raw(y).assumingMemoryBound(to: UInt8.self) + offsets[0]
      if isFloat {
        isa.kernels.pointee.compare(
          out, frame.floats(a) + offsets[1], steps[1], frame.floats(b) + offsets[2], steps[2],
          code, count)
      } else {
        isa.kernels.pointee.compare_i32(
          out, frame.integers(a) + offsets[1], steps[1], frame.integers(b) + offsets[2], steps[2],
          code, count)
      }
    }
  }
}
