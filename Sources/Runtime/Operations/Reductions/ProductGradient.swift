// SPDX-License-Identifier: Apache-2.0

/// dx = dy · the product of all other elements, which a division by x would not give where x is 0.
///
/// The factors before and behind an element are multiplied up from either side.
struct ProductGradient: Operation {
  /// From the front, ascending; operands are dy, these axes being one, and x.
  let axes: [Int]
  let includesBatch: Bool
  var name: String { "reduce_product gradient" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [operands[1]]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[1])
    let extents = type.shape.dimensions
    var (kept, reduced) = ([Axis](), [Axis]())
    var step = 1
    for (axis, extent) in extents.enumerated().reversed() {
      if axes.contains(axis) {
        reduced.insert(Axis(count: extent, step: step), at: 0)
      } else {
        kept.insert(Axis(count: extent, step: step), at: 0)
      }
      step *= extent
    }
    let (perSample, keptAxes, reducedAxes) = (step, kept, reduced)
    let groups = kept.reduce(1) { $0 * $1.count }
    let members = reduced.reduce(1) { $0 * $1.count }
    let joinsBatch = includesBatch && type.isBatched
    let isBatched = type.isBatched
    let (dy, x) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let dx = try program.buffer(node.results[0])
    let perTile = max(1, Tiling.elements / max(1, members))
    program.step(
      name, reads: [dy, x], writes: [dx],
      tiles: { Tiling.count((isBatched && !joinsBatch ? $0 : 1) * groups, by: perTile) }
    ) { frame, tile, _ in
      let samples = isBatched && !joinsBatch ? frame.batch : 1
      for group in Tiling.range(tile, of: perTile, total: samples * groups) {
        let (sample, row) = group.quotientAndRemainder(dividingBy: groups)
        let start = sample * perSample + Axis.offset(of: row, keptAxes)
        let count = (joinsBatch ? frame.batch : 1) * members
        let (from, to) = (frame.floats(x) + start, frame.floats(dx) + start)
        func place(_ member: Int) -> Int {
          let (sample, row) = member.quotientAndRemainder(dividingBy: members)
          return sample * perSample + Axis.offset(of: row, reducedAxes)
        }
        var product = frame.floats(dy)[group]
        for member in 0..<count {
          let place = place(member)
          to[place] = product
          product *= from[place]
        }
        product = 1
        for member in (0..<count).reversed() {
          let place = place(member)
          to[place] *= product
          product *= from[place]
        }
      }
    }
  }

  private struct Axis: Sendable {
    let count: Int
    let step: Int

    static func offset(of row: Int, _ axes: [Axis]) -> Int {
      var (rest, offset) = (row, 0)
      for axis in axes.reversed() {
        let (quotient, position) = rest.quotientAndRemainder(dividingBy: axis.count)
        offset += position * axis.step
        rest = quotient
      }
      return offset
    }
  }
}
