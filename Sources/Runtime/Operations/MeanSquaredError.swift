// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// The mean of (predictions - targets)² over batch and elements.
  ///
  /// - Returns: one number.
  /// - Throws: `.shapeMismatch` when the two are not of one type.
  public mutating func meanSquaredError(
    _ predictions: Value, targets: Value
  ) throws(RuntimeError) -> Value {
    try add(MeanSquaredError(), [predictions, targets])[0]
  }
}

/// loss = mean (x - t)²; the second result is its gradient along x, 2 (x - t) / count.
struct MeanSquaredError: Operation {
  var name: String { "mean_squared_error" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "predictions")
    guard operands[0] == operands[1], operands[0].isBatched,
      operands[0].shape.elementCount > 0
    else {
      throw RuntimeError(
        .shapeMismatch, "expected \(operands[0]), as the predictions; came \(operands[1])",
        operation: name, field: "targets")
    }
    return [TensorType(.fp32, .scalar, isBatched: false), operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let columns = program.type(of: node.operands[0]).shape.elementCount
    let isa = program.instructionSet
    let (x, targets) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let gradient = program.isUsed(node.results[1]) ? try program.buffer(node.results[1]) : nil
    let losses = try program.temporary(floats: program.maximumBatch)
    let rows = max(1, Tiling.elements / columns)
    program.step(
      name, reads: [x, targets], writes: [losses] + (gradient.map { [$0] } ?? []),
      tiles: { Tiling.count($0, by: rows) }
    ) { frame, tile, _ in
      let range = Tiling.range(tile, of: rows, total: frame.batch)
      let start = range.lowerBound * columns
      isa.kernels.pointee.squared_error(
        frame.floats(losses) + range.lowerBound, gradient.map { frame.floats($0) + start },
        frame.floats(x) + start, frame.floats(targets) + start,
        1 / Float(frame.batch * columns), range.count, columns)
    }
    try program.mean(name, node.results[0], of: losses, perSample: columns)
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard !wanted[1] else {
      throw RuntimeError(
        .unsupported, "targets are not learned", operation: name, field: "targets")
    }
    guard let dloss = along[0] else { return [nil, nil] }
    return [try graph.add(Scale(), [node.results[1], dloss])[0], nil]
  }
}
