// SPDX-License-Identifier: Apache-2.0
// V entries of D numbers.

import CKernels

extension Graph {
  /// The rows of a table that indices name.
  ///
  /// - Parameters:
  ///   - indices: an input, batched INT32 or UINT8 of any shape. An index outside the table fails the run that
  ///     reads it.
  ///   - weights: a parameter of shape [V, D].
  /// - Returns: the shape of `indices` with D behind it.
  /// - Throws: `.shapeMismatch` naming the argument that does not fit.
  public mutating func embedding(
    _ indices: Value, weights: Value
  ) throws(RuntimeError) -> Value {
    try add(Embedding(), [indices, weights])[0]
  }
}

/// y = weights[indices].
struct Embedding: Operation {
  var name: String { "embedding" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (indices, weights) = (operands[0], operands[1])
    guard indices.isBatched, indices.datatype == .int32 || indices.datatype == .uint8 else {
      throw RuntimeError(
        .shapeMismatch, "expected a batch of INT32 or UINT8; came \(indices)", operation: name,
        field: "indices")
    }
    guard weights.shape.rank == 2, weights.shape.elementCount > 0 else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 [entries, dimensions]; came \(weights)", operation: name,
        field: "weights")
    }
    try require(weights, shape: weights.shape.dimensions, "weights")
    guard indices.datatype == .int32 || weights.shape[0] >= 256 else {
      throw RuntimeError(
        .shapeMismatch, "expected 256 entries or more for UINT8 indices; came \(weights.shape[0])",
        operation: name, field: "weights")
    }
    let shape = try Shape(indices.shape.dimensions + [weights.shape[1]])
    return [TensorType(.fp32, shape, isBatched: true)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[0])
    let table = program.type(of: node.operands[1]).shape
    let columns = table[1]
    if type.datatype == .int32 { try program.checkIndices(node.operands[0], count: table[0]) }
    let indices = try program.buffer(node.operands[0])
    let weights = try program.buffer(node.operands[1])
    let y = try program.buffer(node.results[0])
    let perSample = type.shape.elementCount
    let rows = max(1, Tiling.elements / columns)
    let isBytes = type.datatype == .uint8
    program.step(
      name, reads: [indices, weights], writes: [y],
      tiles: { Tiling.count($0 * perSample, by: rows) }
    ) { frame, tile, _ in
      for row in Tiling.range(tile, of: rows, total: frame.batch * perSample) {
        let entry = frame.index(indices, row, isBytes: isBytes)
        (frame.floats(y) + row * columns)
          .update(from: frame.floats(weights) + entry * columns, count: columns)
      }
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0], wanted[1] else { return [nil, nil] }
    let gradient = EmbeddingGradient(shape: graph.type(of: node.operands[1]).shape)
    return [nil, try graph.add(gradient, [node.operands[0], dy])[0]]
  }
}

/// dW: the rows of dy added up where their indices say, in their order.
struct EmbeddingGradient: Operation {
  let shape: Shape
  var name: String { "embedding gradient" }

  /// Columns of a tile: each tile goes over all indices, so that every sum has one order.
  private static let columnsPerTile = 64

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [TensorType(.fp32, shape, isBatched: false)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[0])
    let (perSample, isBytes) = (type.shape.elementCount, type.datatype == .uint8)
    let (entries, columns, isa) = (shape[0], shape[1], program.instructionSet)
    let (indices, dy) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let dw = try program.buffer(node.results[0])
    program.step(
      name, reads: [indices, dy], writes: [dw],
      tiles: { _ in Tiling.count(columns, by: Self.columnsPerTile) }
    ) { frame, tile, _ in
      let range = Tiling.range(tile, of: Self.columnsPerTile, total: columns)
      let out = frame.floats(dw) + range.lowerBound
      for entry in 0..<entries {
        (out + entry * columns).update(repeating: 0, count: range.count)
      }
      for row in 0..<frame.batch * perSample {
        let place = out + frame.index(indices, row, isBytes: isBytes) * columns
        isa.kernels.pointee.add(
          place, place, frame.floats(dy) + row * columns + range.lowerBound, range.count)
      }
    }
  }
}

extension Frame {
  /// An index of a table, of INT32 or UINT8.
  fileprivate func index(_ buffer: Buffer, _ position: Int, isBytes: Bool) -> Int {
    isBytes
      ? Int(raw(buffer).assumingMemoryBound(to: UInt8.self)[position])
      : Int(integers(buffer)[position])
  }
}
