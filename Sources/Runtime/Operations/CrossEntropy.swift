// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// The mean over the batch of -log softmax(logits)[label].
  ///
  /// - Parameters:
  ///   - logits: batched [classes], before any softmax.
  ///   - labels: batched INT32 scalars. A label outside the classes fails the run that reads it.
  /// - Returns: one number.
  /// - Throws: `.shapeMismatch` naming the argument that does not fit.
  public mutating func crossEntropy(
    _ logits: Value, labels: Value
  ) throws(RuntimeError) -> Value {
    try add(CrossEntropy(), [logits, labels])[0]
  }
}

/// loss = -mean log softmax(x)[label]; the second result is its gradient along x.
struct CrossEntropy: Operation {
  var name: String { "cross_entropy" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (logits, labels) = (operands[0], operands[1])
    guard logits.datatype == .fp32, logits.isBatched, logits.shape.rank == 1,
      logits.shape.elementCount > 0
    else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 [batch, classes]; came \(logits)", operation: name,
        field: "logits")
    }
    guard labels.datatype == .int32, labels.isBatched, labels.shape == .scalar else {
      throw RuntimeError(
        .shapeMismatch, "expected INT32 [batch]; came \(labels)", operation: name, field: "labels")
    }
    return [TensorType(.fp32, .scalar, isBatched: false), logits]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let classes = program.type(of: node.operands[0]).shape[0]
    try program.checkLabels(node.operands[1], classes: classes)
    let isa = program.instructionSet
    let (x, labels) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let gradient = program.isUsed(node.results[1]) ? try program.buffer(node.results[1]) : nil
    let losses = try program.temporary(floats: program.maximumBatch)
    let rows = max(1, Tiling.elements / classes)
    program.step(
      name, reads: [x, labels], writes: [losses] + (gradient.map { [$0] } ?? []),
      tiles: { Tiling.count($0, by: rows) }
    ) { frame, tile, _ in
      let range = Tiling.range(tile, of: rows, total: frame.batch)
      let start = range.lowerBound
      isa.kernels.pointee.softmax_cross_entropy(
        frame.floats(losses) + start, gradient.map { frame.floats($0) + start * classes },
        frame.floats(x) + start * classes,
        frame.raw(labels).assumingMemoryBound(to: Int32.self) + start, 1 / Float(frame.batch),
        range.count, classes)
    }
    try program.mean(name, node.results[0], of: losses, perSample: 1)
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dloss = along[0] else { return [nil, nil] }
    return [try graph.add(Scale(), [node.results[1], dloss])[0], nil]
  }
}
