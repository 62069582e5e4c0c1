// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// For each index a row of zeros with a one at its place.
  ///
  /// - Parameters:
  ///   - indices: INT32. An index outside the row fails the run where indices are an input; where they are computed,
  ///     its row is all zero.
  ///   - count: elements of a row.
  /// - Returns: FP32 of the shape of the indices with `count` behind it. No gradient passes.
  /// - Throws: `.shapeMismatch` for what is not INT32, `.invalidArgument` for a count below one.
  public mutating func oneHot(_ indices: Value, count: Int) throws(RuntimeError) -> Value {
    try add(OneHot(count: count), [indices])[0]
  }
}

/// y[…, k] = 1 where the index is k.
struct OneHot: Operation {
  let count: Int
  var name: String { "one_hot" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let indices = operands[0]
    guard indices.datatype == .int32 else {
      throw RuntimeError(
        .shapeMismatch, "expected INT32 elements; came \(indices)", operation: name,
        field: "indices")
    }
    guard count > 0 else {
      throw RuntimeError(
        .invalidArgument, "expected 1 or more; came \(count)", operation: name, field: "count")
    }
    let shape = try Shape(indices.shape.dimensions + [count])
    return [TensorType(.fp32, shape, isBatched: indices.isBatched)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    try program.checkIndicesIfInput(node.operands[0], count: count)
    let type = program.type(of: node.operands[0])
    let (indices, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let (isa, count) = (program.instructionSet, count)
    let perTile = max(1, Tiling.elements / count)
    program.step(
      name, reads: [indices], writes: [y],
      tiles: { Tiling.count(type.elementCount(batch: $0), by: perTile) }
    ) { frame, tile, _ in
      let rows = Tiling.range(tile, of: perTile, total: type.elementCount(batch: frame.batch))
      isa.kernels.pointee.fill(frame.floats(y) + rows.lowerBound * count, 0, rows.count * count)
      for row in rows {
        let index = Int(frame.integers(indices)[row])
        if index >= 0, index < count { frame.floats(y)[row * count + index] = 1 }
      }
    }
  }
}
