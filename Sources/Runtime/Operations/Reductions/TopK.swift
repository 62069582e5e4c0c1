// SPDX-License-Identifier: Apache-2.0
// Around the axis x is (outer, extent, inner), the results (outer, K, inner).

extension Graph {
  /// The largest elements along an axis, largest first, and where they stand.
  ///
  /// A NaN is larger than any number; of equal elements the first comes first.
  ///
  /// - Parameters:
  ///   - count: how many, at most the axis' extent.
  ///   - axis: of the shape of one sample; a negative one counts from the end.
  ///   - smallest: whether the smallest are wanted, smallest first.
  /// - Returns: FP32 and INT32. Through the indices no gradient passes.
  /// - Throws: `.invalidArgument` for another count or an axis that there is not.
  public mutating func topK(
    _ x: Value, count: Int, axis: Int = -1, smallest: Bool = false
  ) throws(RuntimeError) -> (values: Value, indices: Value) {
    let results = try add(TopK(count: count, axis: axis, isSmallest: smallest), [x])
    return (results[0], results[1])
  }

  /// Where the largest element along an axis stands, the first of equals; a NaN is larger than any number.
  ///
  /// - Parameter axis: of the shape of one sample; a negative one counts from the end. It is gone in the result.
  /// - Returns: INT32. No gradient passes.
  /// - Throws: `.invalidArgument` for an axis that there is not or that is empty.
  public mutating func argMaximum(_ x: Value, axis: Int = -1) throws(RuntimeError) -> Value {
    try arg(x, axis, isSmallest: false)
  }

  /// Where the smallest element along an axis stands, as `argMaximum` has it.
  ///
  /// - Throws: `.invalidArgument` for an axis that there is not or that is empty.
  public mutating func argMinimum(_ x: Value, axis: Int = -1) throws(RuntimeError) -> Value {
    try arg(x, axis, isSmallest: true)
  }

  private mutating func arg(
    _ x: Value, _ axis: Int, isSmallest: Bool
  ) throws(RuntimeError) -> Value {
    let operation = TopK(count: 1, axis: axis, isSmallest: isSmallest)
    let position = try operation.resolve(axis, type(of: x))
    let indices = try add(operation, [x])[1]
    var extents = type(of: indices).shape.dimensions
    extents.remove(at: position)
    return try reshape(indices, to: Shape(extents))
  }
}

/// The K largest or smallest elements along an axis; the second result: where they stand.
struct TopK: Operation {
  let count: Int
  let axis: Int
  let isSmallest: Bool
  var name: String { "top_k" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let x = operands[0]
    try requireFloat(x, "input")
    let axis = try resolve(axis, x)
    var extents = x.shape.dimensions
    guard count >= 1, count <= extents[axis], extents[axis] <= Int32.max else {
      throw RuntimeError(
        .invalidArgument, "expected 1 to \(extents[axis]); came \(count)", operation: name,
        field: "count")
    }
    extents[axis] = count
    let shape = try Shape(extents)
    return [.fp32, .int32].map { TensorType($0, shape, isBatched: x.isBatched) }
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[0])
    let whole = AxisBlocks(type, axis: try resolve(axis, type))
    let (extent, inner, count, isSmallest) = (whole.extent, whole.inner, count, isSmallest)
    let x = try program.buffer(node.operands[0])
    let (y, places) = (try program.buffer(node.results[0]), try program.buffer(node.results[1]))
    let perTile = max(1, Tiling.elements / max(1, extent * inner))
    program.step(
      name, reads: [x], writes: [y, places],
      tiles: { Tiling.count(whole.rows(batch: $0), by: perTile) }
    ) { frame, tile, _ in
      for row in Tiling.range(tile, of: perTile, total: whole.rows(batch: frame.batch)) {
        for column in 0..<inner {
          Self.choose(
            count, of: extent, from: frame.floats(x) + row * extent * inner + column,
            values: frame.floats(y) + row * count * inner + column,
            places: frame.integers(places) + row * count * inner + column, step: inner,
            isSmallest: isSmallest)
        }
      }
    }
  }

  /// Keeps the best so far in order: elements come in one by one, most of them no further than the last.
  private static func choose(
    _ count: Int, of extent: Int, from x: UnsafePointer<Float>,
    values: UnsafeMutablePointer<Float>, places: UnsafeMutablePointer<Int32>, step: Int,
    isSmallest: Bool
  ) {
    var kept = 0
    for index in 0..<extent {
      let value = x[index * step]
      var place = kept
      while place > 0, precedes(value, values[(place - 1) * step], isSmallest) { place -= 1 }
      guard place < count else { continue }
      var last = min(kept, count - 1)
      while last > place {
        values[last * step] = values[(last - 1) * step]
        places[last * step] = places[(last - 1) * step]
        last -= 1
      }
      values[place * step] = value
      places[place * step] = Int32(truncatingIfNeeded: index)
      kept = min(kept + 1, count)
    }
  }

  private static func precedes(_ a: Float, _ b: Float, _ isSmallest: Bool) -> Bool {
    if a.isNaN || b.isNaN { return isSmallest ? !a.isNaN && b.isNaN : a.isNaN && !b.isNaN }
    return isSmallest ? a < b : a > b
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double {
    Double(graph.type(of: node.operands[0]).shape.elementCount)
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let gradient = ScatterAddElements(axis: axis, type: graph.type(of: node.operands[0]))
    return [try graph.add(gradient, [dy, node.results[1]])[0]]
  }
}
