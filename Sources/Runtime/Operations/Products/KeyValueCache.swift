// SPDX-License-Identifier: Apache-2.0
// A cache is (heads, C, D) for each sample, what is new (heads, T, D).

extension Graph {
  /// A cache of keys or values with those of new steps behind what it holds.
  ///
  /// With `attention` over the result and the same lengths, causal, a step of generation costs what its own queries do.
  ///
  /// - Parameters:
  ///   - cache: batched [..., C, D], room for C steps.
  ///   - steps: batched [..., T, D], the new ones.
  ///   - lengths: batched INT32 scalars, how many steps a sample has with the new ones. Where they are an input, one
  ///     outside 0...C fails the run. What would lie outside the cache is dropped.
  /// - Returns: the cache's type.
  /// - Throws: `.shapeMismatch` naming the argument that does not fit.
  public mutating func appendToCache(
    _ cache: Value, steps: Value, lengths: Value
  ) throws(RuntimeError) -> Value {
    try add(AppendToCache(), [cache, steps, lengths])[0]
  }
}

/// y = the cache, steps length - T ..< length replaced.
struct AppendToCache: Operation {
  var name: String { "append_to_cache" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (cache, steps, lengths) = (operands[0], operands[1], operands[2])
    try requireFloat(cache, "cache")
    guard cache.isBatched, cache.shape.rank > 1 else {
      throw RuntimeError(
        .shapeMismatch, "expected FP32 [batch, ..., steps, width]; came \(cache)",
        operation: name, field: "cache")
    }
    var extents = cache.shape.dimensions
    if steps.shape.rank == extents.count { extents[extents.count - 2] = steps.shape[-2] }
    guard steps == TensorType(.fp32, try Shape(extents), isBatched: true),
      steps.shape[-2] <= cache.shape[-2]
    else {
      throw RuntimeError(
        .shapeMismatch, "expected \(cache) but for its steps, and no more of them; came \(steps)",
        operation: name, field: "steps")
    }
    guard lengths == TensorType(.int32, .scalar, isBatched: true) else {
      throw RuntimeError(
        .shapeMismatch, "expected INT32 [batch]; came \(lengths)", operation: name,
        field: "lengths")
    }
    return [cache]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let shape = program.type(of: node.operands[0]).shape
    let (capacity, width) = (shape[-2], shape[-1])
    let count = program.type(of: node.operands[1]).shape[-2]
    let heads = shape.dimensions.dropLast(2).reduce(1, *)
    try program.checkIndicesIfInput(node.operands[2], count: capacity + 1)
    let cache = try program.buffer(node.operands[0])
    let (steps, lengths) = (
      try program.buffer(node.operands[1]), try program.buffer(node.operands[2])
    )
    let y = try program.buffer(node.results[0])
    program.step(
      name, reads: [cache, steps, lengths], writes: [y], inPlace: (y, cache),
      tiles: { $0 * heads }
    ) { frame, group, _ in
      let out = frame.floats(y) + group * capacity * width
      let source = frame.floats(cache) + group * capacity * width
      if out != source { out.update(from: source, count: capacity * width) }
      let length = Int(frame.integers(lengths)[group / heads])
      for step in 0..<count {
        let place = length - count + step
        guard place >= 0, place < capacity else { continue }
        (out + place * width).update(
          from: frame.floats(steps) + (group * count + step) * width, count: width)
      }
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double { 0 }
}
