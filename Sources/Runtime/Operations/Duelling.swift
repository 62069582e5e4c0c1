// SPDX-License-Identifier: Apache-2.0

extension Graph {
  /// Action values of a state's value and its actions' advantages: v + a - mean a (Wang et al., "Dueling network
  /// architectures for deep reinforcement learning", 2016, equation 9).
  ///
  /// - Parameters:
  ///   - value: one number for each sample.
  ///   - advantages: one number for each action.
  /// - Throws: `.shapeMismatch` for operands of other shapes.
  public mutating func duelling(
    value: Value, advantages: Value
  ) throws(RuntimeError) -> Value {
    try add(Duelling(), [value, advantages])[0]
  }
}

/// q = v + a - mean a, by rows.
struct Duelling: Operation {
  var name: String { "duelling" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[1], "advantages")
    guard operands[1].isBatched, operands[1].shape.dimensions.count == 1 else {
      throw RuntimeError(
        .shapeMismatch, "expected one number for each action; came \(operands[1])",
        operation: name, field: "advantages")
    }
    let one = TensorType(.fp32, try Shape([1]), isBatched: true)
    guard operands[0] == one else {
      throw RuntimeError(
        .shapeMismatch, "expected \(one); came \(operands[0])", operation: name, field: "value")
    }
    return [operands[1]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let (value, advantages) = (
      try program.buffer(node.operands[0]), try program.buffer(node.operands[1])
    )
    let y = try program.buffer(node.results[0])
    try program.rowwise(name, node.results[0], from: [node.operands[1], node.operands[0]]) {
      frame, rows, columns in
      for row in rows {
        let source = frame.floats(advantages) + row * columns
        var sum: Float = 0
        for column in 0..<columns { sum += source[column] }
        let base = frame.floats(value)[row] - sum / Float(columns)
        let result = frame.floats(y) + row * columns
        for column in 0..<columns { result[column] = source[column] + base }
      }
    }
  }

  // dv = sum dq; da = dq - mean dq.
  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dq = along[0] else { return [nil, nil] }
    let results = try graph.add(DuellingGradient(), [dq])
    return [results[0], results[1]]
  }
}

/// The sums of rows, and rows less their means.
struct DuellingGradient: Operation {
  var name: String { "duelling_gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [TensorType(.fp32, try Shape([1]), isBatched: true), operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let columns = program.type(of: node.operands[0]).shape.elementCount
    let dq = try program.buffer(node.operands[0])
    let (dv, da) = (try program.buffer(node.results[0]), try program.buffer(node.results[1]))
    let rows = max(1, Tiling.elements / columns)
    program.step(name, reads: [dq], writes: [dv, da], tiles: { Tiling.count($0, by: rows) }) {
      frame, tile, _ in
      for row in Tiling.range(tile, of: rows, total: frame.batch) {
        let source = frame.floats(dq) + row * columns
        var sum: Float = 0
        for column in 0..<columns { sum += source[column] }
        frame.floats(dv)[row] = sum
        let mean = sum / Float(columns)
        let result = frame.floats(da) + row * columns
        for column in 0..<columns { result[column] = source[column] - mean }
      }
    }
  }
}
