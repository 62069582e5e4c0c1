// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// a where a condition holds, b elsewhere, with broadcasting.
  ///
  /// What is not chosen may be NaN or infinite: it is never multiplied by anything, forwards or backwards.
  ///
  /// - Parameters:
  ///   - condition: BOOL.
  ///   - a: FP32 or INT32, as `b`.
  /// - Throws: `.shapeMismatch` for other types or shapes that do not broadcast.
  public mutating func select(
    _ condition: Value, _ a: Value, _ b: Value
  ) throws(RuntimeError) -> Value {
    try add(Select(), [condition, a, b])[0]
  }
}

/// y = condition ? a : b.
struct Select: Operation {
  var name: String { "select" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (condition, a, b) = (operands[0], operands[1], operands[2])
    guard condition.datatype == .bool else {
      throw RuntimeError(
        .shapeMismatch, "expected BOOL elements; came \(condition)", operation: name,
        field: "condition")
    }
    guard a.datatype == .fp32 || a.datatype == .int32 else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 or INT32 elements; came \(a)", operation: name, field: "a")
    }
    guard b.datatype == a.datatype else {
      throw RuntimeError(
        .shapeMismatch, "expected \(a.datatype.rawValue) elements; came \(b)", operation: name,
        field: "b")
    }
    return [try broadcastType(operands, a.datatype, "b")]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let condition = try program.buffer(node.operands[0])
    let (a, b) = (try program.buffer(node.operands[1]), try program.buffer(node.operands[2]))
    let y = try program.buffer(node.results[0])
    let isa = program.instructionSet
    try program.broadcast(name, node.results[0], from: node.operands) {
      frame, offsets, steps, count in
      isa.kernels.pointee.select(
        frame.raw(y).assumingMemoryBound(to: UInt32.self) + offsets[0],
        frame.raw(condition).assumingMemoryBound(to: UInt8.self) + offsets[1], steps[1],
        frame.raw(a).assumingMemoryBound(to: UInt32.self) + offsets[2], steps[2],
        frame.raw(b).assumingMemoryBound(to: UInt32.self) + offsets[3], steps[3], count)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil, nil, nil] }
    let zero = try graph.constant(0)
    let (condition, a, b) = (node.operands[0], node.operands[1], node.operands[2])
    let da = wanted[1] ? try graph.select(condition, dy, zero) : nil
    let db = wanted[2] ? try graph.select(condition, zero, dy) : nil
    return [nil, try graph.sum(da, toTypeOf: a), try graph.sum(db, toTypeOf: b)]
  }
}
