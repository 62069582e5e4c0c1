// SPDX-License-Identifier: Apache-2.0
// Around the axis x is (outer, extent, inner) and the indices (outer, count, inner).

import CKernels

extension Graph {
  /// Single elements along an axis: y[o, i, n] = x[o, indices[o, i, n], n].
  ///
  /// - Parameters:
  ///   - indices: INT32 of the shape of x but for the axis, batched as x. An index outside the axis fails the run
  ///     where indices are an input; where they are computed, it names a zero.
  ///   - axis: of the shape of one sample; a negative one counts from the end.
  /// - Throws: `.shapeMismatch` for other indices or what is not FP32, `.invalidArgument` for an axis that there is
  ///   not.
  public mutating func gatherElements(
    _ x: Value, _ indices: Value, axis: Int
  ) throws(RuntimeError) -> Value {
    try add(GatherElements(axis: axis), [x, indices])[0]
  }
}

/// y = the elements of x along an axis that indices name.
struct GatherElements: Operation {
  let axis: Int
  var name: String { "gather_elements" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (x, indices) = (operands[0], operands[1])
    try requireFloat(x, "input")
    let axis = try resolve(axis, x)
    var expected = x.shape.dimensions
    if indices.shape.rank == expected.count { expected[axis] = indices.shape[axis] }
    guard indices.datatype == .int32, indices.isBatched == x.isBatched,
      indices.shape.dimensions == expected
    else {
      throw RuntimeError(
        .shapeMismatch, "expected INT32 of the shape of \(x) but for axis \(axis); came \(indices)",
        operation: name, field: "indices")
    }
    return [TensorType(.fp32, indices.shape, isBatched: x.isBatched)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[0])
    let whole = AxisBlocks(type, axis: try resolve(axis, type))
    try program.checkIndicesIfInput(node.operands[1], count: whole.extent)
    let (x, indices) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let y = try program.buffer(node.results[0])
    let count = program.type(of: node.results[0]).shape[whole.axis]
    let (extent, inner) = (whole.extent, whole.inner)
    let perTile = max(1, Tiling.elements / max(1, count * inner))
    program.step(
      name, reads: [x, indices], writes: [y],
      tiles: { Tiling.count(whole.rows(batch: $0), by: perTile) }
    ) { frame, tile, _ in
      for row in Tiling.range(tile, of: perTile, total: whole.rows(batch: frame.batch)) {
        let out = frame.floats(y) + row * count * inner
        let source = frame.floats(x) + row * extent * inner
        let chosen = frame.integers(indices) + row * count * inner
        for position in 0..<count {
          for column in 0..<inner {
            let index = Int(chosen[position * inner + column])
            out[position * inner + column] =
              index >= 0 && index < extent ? source[index * inner + column] : 0
          }
        }
      }
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0], wanted[0] else { return [nil, nil] }
    let gradient = ScatterAddElements(axis: axis, type: graph.type(of: node.operands[0]))
    return [try graph.add(gradient, [dy, node.operands[1]])[0], nil]
  }
}

/// y = 0, and every element of the updates added where its index says.
struct ScatterAddElements: Operation {
  let axis: Int
  let type: TensorType
  var name: String { "scatter_add_elements" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] { [type] }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let whole = AxisBlocks(type, axis: try resolve(axis, type))
    let updates = try program.buffer(node.operands[0])
    let indices = try program.buffer(node.operands[1])
    let y = try program.buffer(node.results[0])
    let count = program.type(of: node.operands[0]).shape[whole.axis]
    let (extent, inner, isa) = (whole.extent, whole.inner, program.instructionSet)
    let perTile = max(1, Tiling.elements / max(1, (extent + count) * inner))
    program.step(
      name, reads: [updates, indices], writes: [y],
      tiles: { Tiling.count(whole.rows(batch: $0), by: perTile) }
    ) { frame, tile, _ in
      for row in Tiling.range(tile, of: perTile, total: whole.rows(batch: frame.batch)) {
        let out = frame.floats(y) + row * extent * inner
        let source = frame.floats(updates) + row * count * inner
        let chosen = frame.integers(indices) + row * count * inner
        isa.kernels.pointee.fill(out, 0, extent * inner)
        for position in 0..<count {
          for column in 0..<inner {
            let index = Int(chosen[position * inner + column])
            if index >= 0, index < extent {
              out[index * inner + column] += source[position * inner + column]
            }
          }
        }
      }
    }
  }
}

extension AxisBlocks {
  /// Places before the axis.
  func rows(batch: Int) -> Int { samples(batch: batch) * outer }
}
