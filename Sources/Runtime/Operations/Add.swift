// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// The sum of two tensors, element by element, with broadcasting as `binary` has it.
  ///
  /// - Throws: `.shapeMismatch` for what is not FP32 or does not broadcast.
  public mutating func add(_ a: Value, _ b: Value) throws(RuntimeError) -> Value {
    type(of: a) == type(of: b) ? try add(Add(), [a, b])[0] : try binary(.add, a, b)
  }
}

/// y = a + b.
struct Add: Operation {
  var name: String { "add" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "input")
    guard operands[0] == operands[1] else {
      throw RuntimeError(
        .shapeMismatch, "expected \(operands[0]), as the first operand; came \(operands[1])",
        operation: name, field: "input")
    }
    return [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (a, b) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let y = try program.buffer(node.results[0])
    let isa = program.instructionSet
    try program.elementwise(name, node.results[0], from: node.operands) { frame, range in
      let start = range.lowerBound
      isa.kernels.pointee.add(
        frame.floats(y) + start, frame.floats(a) + start, frame.floats(b) + start, range.count)
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    [along[0], along[0]]
  }
}
