// SPDX-License-Identifier: Apache-2.0
// Around the axis x is (outer, extent, inner); P positions in the indices.

import CKernels

extension Graph {
  /// The slices of a tensor that indices name.
  ///
  /// - Parameters:
  ///   - indices: INT32 of any shape; with a batch, each sample has its own. An index outside the axis fails the run
  ///     where indices are an input; where they are computed, it names a slice of zeros.
  ///   - axis: of the shape of one sample; a negative one counts from the end.
  /// - Returns: the shape of x with that of the indices in place of the axis.
  /// - Throws: `.shapeMismatch` for other indices, `.invalidArgument` for an axis that there is not.
  public mutating func gather(
    _ x: Value, _ indices: Value, axis: Int
  ) throws(RuntimeError) -> Value {
    try add(Gather(axis: axis), [x, indices])[0]
  }

  /// Slices added up where indices say, in their order: the reverse of `gather`.
  ///
  /// - Parameters:
  ///   - updates: FP32 of the shape that a `gather` with these indices gives.
  ///   - indices: as `gather` has them; what an index outside the axis names is dropped.
  ///   - type: of the result.
  /// - Throws: `.shapeMismatch` for updates of another shape.
  public mutating func scatterAdd(
    _ updates: Value, _ indices: Value, axis: Int, type: TensorType
  ) throws(RuntimeError) -> Value {
    try add(ScatterAdd(axis: axis, type: type), [updates, indices])[0]
  }

  /// A tensor with some of its slices replaced; of two that go to one place, the later one stays, and both have
  /// the gradient of that place.
  ///
  /// - Parameters:
  ///   - indices: INT32, as `gather` has them; what an index outside the axis names is dropped.
  ///   - updates: FP32 of the shape that a `gather` with these indices gives.
  /// - Throws: `.shapeMismatch` for updates of another shape or indices that are batched where x is not.
  public mutating func scatter(
    _ x: Value, _ indices: Value, _ updates: Value, axis: Int
  ) throws(RuntimeError) -> Value {
    try add(Scatter(axis: axis), [x, indices, updates])[0]
  }
}

/// y = the slices of x along an axis that indices name.
struct Gather: Operation {
  let axis: Int
  var name: String { "gather" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    [try GatherGeometry(self, x: operands[0], indices: operands[1], axis: axis).result]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let geometry = try GatherGeometry(
      self, x: program.type(of: node.operands[0]), indices: program.type(of: node.operands[1]),
      axis: axis)
    try program.checkIndicesIfInput(node.operands[1], count: geometry.extent)
    let (x, indices) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let y = try program.buffer(node.results[0])
    let size = geometry.result.datatype.byteCount ?? 1
    let bytes = geometry.inner * size
    let perTile = max(1, Tiling.elements * 4 / max(1, bytes))
    program.step(
      name, reads: [x, indices], writes: [y],
      tiles: { Tiling.count(geometry.slices(batch: $0), by: perTile) }
    ) { frame, tile, _ in
      let total = geometry.slices(batch: frame.batch)
      for slice in Tiling.range(tile, of: perTile, total: total) {
        let out = frame.raw(y) + slice * bytes
        let place = geometry.place(slice)
        let index = Int(frame.integers(indices)[place.index])
        if index >= 0, index < geometry.extent {
          let row = place.outer * geometry.extent + index
          out.copyMemory(from: frame.raw(x) + row * bytes, byteCount: bytes)
        } else {
          out.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        }
      }
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0], wanted[0] else { return [nil, nil] }
    let type = graph.type(of: node.operands[0])
    return [try graph.scatterAdd(dy, node.operands[1], axis: axis, type: type), nil]
  }
}

/// y = 0, and every slice of the updates added where its index says.
struct ScatterAdd: Operation {
  let axis: Int
  let type: TensorType
  var name: String { "scatter_add" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    try requireFloat(type, "type")
    let geometry = try GatherGeometry(self, x: type, indices: operands[1], axis: axis)
    guard operands[0] == geometry.result else {
      throw RuntimeError(
        .shapeMismatch, "expected \(geometry.result); came \(operands[0])", operation: name,
        field: "updates")
    }
    return [type]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let geometry = try GatherGeometry(
      self, x: type, indices: program.type(of: node.operands[1]), axis: axis)
    try program.checkIndicesIfInput(node.operands[1], count: geometry.extent)
    let updates = try program.buffer(node.operands[0])
    let indices = try program.buffer(node.operands[1])
    let y = try program.buffer(node.results[0])
    let isa = program.instructionSet
    // A tile is a place before the axis, or some of the columns behind it: every sum has one order.
    let columns = min(max(1, geometry.inner), 1024)
    let blocks = Tiling.count(geometry.inner, by: columns)
    program.step(
      name, reads: [updates, indices], writes: [y],
      tiles: { geometry.outerCount(batch: $0) * blocks }
    ) { frame, tile, _ in
      let (outer, block) = tile.quotientAndRemainder(dividingBy: blocks)
      let range = Tiling.range(block, of: columns, total: geometry.inner)
      let out = frame.floats(y) + outer * geometry.extent * geometry.inner + range.lowerBound
      for row in 0..<geometry.extent {
        isa.kernels.pointee.fill(out + row * geometry.inner, 0, range.count)
      }
      geometry.forEachSlice(into: outer, batch: frame.batch) { slice in
        let index = Int(frame.integers(indices)[geometry.place(slice).index])
        guard index >= 0, index < geometry.extent else { return }
        let place = out + index * geometry.inner
        isa.kernels.pointee.add(
          place, place, frame.floats(updates) + slice * geometry.inner + range.lowerBound,
          range.count)
      }
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0], wanted[0] else { return [nil, nil] }
    return [try graph.gather(dy, node.operands[1], axis: axis), nil]
  }
}

/// y = x with the slices that indices name replaced.
struct Scatter: Operation {
  let axis: Int
  var name: String { "scatter" }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let (x, indices, updates) = (operands[0], operands[1], operands[2])
    try requireFloat(x, "input")
    guard x.isBatched || !indices.isBatched else {
      throw RuntimeError(
        .shapeMismatch, "expected indices without a batch, as \(x) has none; came \(indices)",
        operation: name, field: "indices")
    }
    let geometry = try GatherGeometry(self, x: x, indices: indices, axis: axis)
    guard updates == geometry.result else {
      throw RuntimeError(
        .shapeMismatch, "expected \(geometry.result); came \(updates)", operation: name,
        field: "updates")
    }
    return [x]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[0])
    let geometry = try GatherGeometry(
      self, x: type, indices: program.type(of: node.operands[1]), axis: axis)
    try program.checkIndicesIfInput(node.operands[1], count: geometry.extent)
    let (x, indices) = (try program.buffer(node.operands[0]), try program.buffer(node.operands[1]))
    let updates = try program.buffer(node.operands[2])
    let y = try program.buffer(node.results[0])
    let block = geometry.extent * geometry.inner
    program.step(
      name, reads: [x, indices, updates], writes: [y],
      tiles: { geometry.outerCount(batch: $0) }
    ) { frame, outer, _ in
      let out = frame.floats(y) + outer * block
      out.update(from: frame.floats(x) + outer * block, count: block)
      geometry.forEachSlice(into: outer, batch: frame.batch) { slice in
        let index = Int(frame.integers(indices)[geometry.place(slice).index])
        guard index >= 0, index < geometry.extent else { return }
        (out + index * geometry.inner).update(
          from: frame.floats(updates) + slice * geometry.inner, count: geometry.inner)
      }
    }
  }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil, nil, nil] }
    let (indices, updates) = (node.operands[1], node.operands[2])
    let zeros = try graph.add(Expand(type: graph.type(of: updates)), [graph.constant(0)])[0]
    return [
      wanted[0] ? try graph.scatter(dy, indices, zeros, axis: axis) : nil, nil,
      wanted[2] ? try graph.gather(dy, indices, axis: axis) : nil,
    ]
  }
}

/// How indices name slices of an axis.
struct GatherGeometry: Sendable {
  /// Of the axis.
  let extent: Int
  /// Elements of a slice.
  let inner: Int
  /// Indices of a sample, or of all where they have no batch.
  let positions: Int
  let indexExtents: [Int]
  let innerExtents: [Int]
  /// What a gather gives.
  let result: TensorType

  private let outer: Int
  private let isBatched: Bool
  private let indicesAreBatched: Bool

  /// - Throws: `.shapeMismatch` for other indices, `.invalidArgument` for an axis that there is not.
  init(
    _ operation: some Operation, x: TensorType, indices: TensorType, axis: Int
  ) throws(RuntimeError) {
    guard indices.datatype == .int32 else {
      throw RuntimeError(
        .shapeMismatch, "expected INT32 elements; came \(indices)", operation: operation.name,
        field: "indices")
    }
    let axis = try operation.resolve(axis, x)
    let extents = x.shape.dimensions
    extent = extents[axis]
    outer = extents[..<axis].reduce(1, *)
    innerExtents = Array(extents[(axis + 1)...])
    inner = innerExtents.reduce(1, *)
    positions = indices.shape.elementCount
    indexExtents = indices.shape.dimensions
    isBatched = x.isBatched
    indicesAreBatched = indices.isBatched
    let shape = try Shape(extents[..<axis] + indexExtents + innerExtents)
    _ = try x.shape.byteCount(of: x.datatype)
    _ = try shape.byteCount(of: x.datatype)
    result = TensorType(x.datatype, shape, isBatched: x.isBatched || indices.isBatched)
  }

  /// Slices of the result.
  func slices(batch: Int) -> Int {
    (isBatched || indicesAreBatched ? batch : 1) * outer * positions
  }

  /// Places before the axis.
  func outerCount(batch: Int) -> Int { (isBatched ? batch : 1) * outer }

  /// For a slice of the result: which place before the axis of x it is from, and where its index stands.
  func place(_ slice: Int) -> (outer: Int, index: Int) {
    let (row, position) = slice.quotientAndRemainder(dividingBy: positions)
    let (sample, before) = row.quotientAndRemainder(dividingBy: outer)
    return (
      (isBatched ? sample * outer : 0) + before,
      (indicesAreBatched ? sample * positions : 0) + position
    )
  }

  /// Calls `body` with every slice of the result that is from one place before the axis, in their order.
  func forEachSlice(into place: Int, batch: Int, _ body: (_ slice: Int) -> Void) {
    let sharesX = !isBatched && indicesAreBatched
    for sample in 0..<(sharesX ? batch : 1) {
      let first = (sample * outer + place) * positions
      for slice in first..<first + positions { body(slice) }
    }
  }
}

extension ProgramBuilder {
  /// Asks that indices are checked before each run where they come from outside; who reads computed ones checks
  /// each as it comes.
  mutating func checkIndicesIfInput(_ value: Graph.Value, count: Int) throws(RuntimeError) {
    guard graph.inputs.contains(value) else { return }
    try checkIndices(value, count: count)
  }
}
