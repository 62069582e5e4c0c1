// SPDX-License-Identifier: Apache-2.0

/// How a temporal-difference error becomes a loss.
public enum TemporalDifferenceLoss: String, Sendable, Hashable, CaseIterable {
  /// e² / 2 up to |e| = 1, |e| - 1/2 beyond (Huber, 1964): one bad target does not tear the network away.
  case huber
  /// e².
  case squared = "mse"
}

extension Graph {
  /// The mean over the batch of weight · loss(Q(s, a) - target) for the actions that were taken.
  ///
  /// - Parameters:
  ///   - values: Q(s, ·), one row of the actions for each sample.
  ///   - actions: an input, the action that was taken, INT32.
  ///   - targets: what Q(s, a) should have been.
  ///   - weights: what each sample counts for.
  /// - Returns: the loss, one number, and the errors Q(s, a) - target, one for each sample.
  /// - Throws: `.shapeMismatch` for operands of other types.
  public mutating func temporalDifference(
    _ values: Value, actions: Value, targets: Value, weights: Value, _ loss: TemporalDifferenceLoss
  ) throws(RuntimeError) -> (loss: Value, errors: Value) {
    let results = try add(
      TemporalDifference(loss: loss), [values, actions, targets, weights])
    return (results[0], results[2])
  }
}

/// loss = mean w · l(Q[a] - t); the second result is its gradient along Q, zero but for the action taken, the third
/// are the errors.
struct TemporalDifference: Operation {
  let loss: TemporalDifferenceLoss

  var name: String { "temporal_difference" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "values")
    guard operands[0].isBatched, operands[0].shape.dimensions.count == 1 else {
      throw RuntimeError(
        .shapeMismatch, "expected one number for each action; came \(operands[0])",
        operation: name, field: "values")
    }
    let wanted: [(TensorType, DataType, String)] = [
      (operands[1], .int32, "actions"), (operands[2], .fp32, "targets"),
      (operands[3], .fp32, "weights"),
    ]
    for (type, datatype, field) in wanted {
      guard type == TensorType(datatype, .scalar, isBatched: true) else {
        throw RuntimeError(
          .shapeMismatch, "expected one \(datatype.rawValue) for each sample; came \(type)",
          operation: name, field: field)
      }
    }
    return [
      TensorType(.fp32, .scalar, isBatched: false), operands[0],
      TensorType(.fp32, .scalar, isBatched: true),
    ]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let columns = program.type(of: node.operands[0]).shape.elementCount
    try program.checkIndices(node.operands[1], count: columns)
    let values = try program.buffer(node.operands[0])
    let actions = try program.buffer(node.operands[1])
    let targets = try program.buffer(node.operands[2])
    let weights = try program.buffer(node.operands[3])
    let gradient = program.isUsed(node.results[1]) ? try program.buffer(node.results[1]) : nil
    let errors = try program.buffer(node.results[2])
    let losses = try program.temporary(floats: program.maximumBatch)
    let rows = max(1, Tiling.elements / columns)
    program.step(
      name, reads: [values, actions, targets, weights],
      writes: [losses, errors] + (gradient.map { [$0] } ?? []),
      tiles: { Tiling.count($0, by: rows) }
    ) { [loss] frame, tile, _ in
      let taken = frame.raw(actions).assumingMemoryBound(to: Int32.self)
      let scale = 1 / Float(frame.batch)
      for row in Tiling.range(tile, of: rows, total: frame.batch) {
        let position = row * columns + Int(taken[row])
        let error = frame.floats(values)[position] - frame.floats(targets)[row]
        let weight = frame.floats(weights)[row]
        frame.floats(errors)[row] = error
        let slope: Float
        switch loss {
        case .huber:
          let size = abs(error)
          frame.floats(losses)[row] = weight * (size <= 1 ? 0.5 * error * error : size - 0.5)
          slope = max(-1, min(1, error))
        case .squared:
          frame.floats(losses)[row] = weight * error * error
          slope = 2 * error
        }
        guard let gradient else { continue }
        (frame.floats(gradient) + row * columns).update(repeating: 0, count: columns)
        frame.floats(gradient)[position] = weight * slope * scale
      }
    }
    try program.mean(name, node.results[0], of: losses, perSample: 1)
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard !wanted[2], !wanted[3] else {
      throw RuntimeError(
        .unsupported, "targets and weights are not learned", operation: name, field: "targets")
    }
    guard let dloss = along[0] else { return [nil, nil, nil, nil] }
    return [try graph.add(Scale(), [node.results[1], dloss])[0], nil, nil, nil]
  }
}
