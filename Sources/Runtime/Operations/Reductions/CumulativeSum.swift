// SPDX-License-Identifier: Apache-2.0
// Around the axis x is (outer, extent, inner).

import CKernels

extension Graph {
  /// The running sum along an axis.
  ///
  /// - Parameters:
  ///   - axis: of the shape of one sample; a negative one counts from the end.
  ///   - isExclusive: whether an element's own value is left out of its sum.
  ///   - isReversed: whether sums run from the end.
  /// - Throws: `.invalidArgument` for an axis that there is not, `.shapeMismatch` for what is not FP32.
  public mutating func cumulativeSum(
    _ x: Value, axis: Int, isExclusive: Bool = false, isReversed: Bool = false
  ) throws(RuntimeError) -> Value {
    let operation = CumulativeSum(axis: axis, isExclusive: isExclusive, isReversed: isReversed)
    return try add(operation, [x])[0]
  }
}

/// y[i] = Σ x[j], j up to i.
struct CumulativeSum: Operation {
  let axis: Int
  let isExclusive: Bool
  let isReversed: Bool
  var name: String { "cumulative_sum" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(operands[0], "input")
    _ = try resolve(axis, operands[0])
    return [operands[0]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[0])
    let whole = AxisBlocks(type, axis: try resolve(axis, type))
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let (isa, extent, inner) = (program.instructionSet, whole.extent, whole.inner)
    let (isExclusive, isReversed) = (isExclusive, isReversed)
    let perTile = max(1, Tiling.elements / max(1, extent * inner))
    program.step(
      name, reads: [x], writes: [y],
      tiles: { Tiling.count(whole.rows(batch: $0), by: perTile) }
    ) { frame, tile, _ in
      for row in Tiling.range(tile, of: perTile, total: whole.rows(batch: frame.batch)) {
        let source = frame.floats(x) + row * extent * inner
        let out = frame.floats(y) + row * extent * inner
        for index in 0..<extent {
          let position = isReversed ? extent - 1 - index : index
          let before = isReversed ? position + 1 : position - 1
          let place = out + position * inner
          if index == 0 {
            if isExclusive {
              isa.kernels.pointee.fill(place, 0, inner)
            } else {
              place.update(from: source + position * inner, count: inner)
            }
          } else {
            isa.kernels.pointee.add(
              place, out + before * inner,
              source + (isExclusive ? before : position) * inner, inner)
          }
        }
      }
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    return [
      try graph.cumulativeSum(dy, axis: axis, isExclusive: isExclusive, isReversed: !isReversed)
    ]
  }
}
