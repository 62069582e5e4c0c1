// SPDX-License-Identifier: Apache-2.0

import CKernels

extension Graph {
  /// The axes of a sample in another order.
  ///
  /// - Parameter axes: for each axis of the result which of x it is; each once.
  /// - Throws: `.invalidArgument` for anything else.
  public mutating func permute(_ x: Value, axes: [Int]) throws(RuntimeError) -> Value {
    let operation = Permute(axes: axes)
    let order = try operation.order(type(of: x))
    return order == Array(order.indices) ? x : try add(Permute(axes: order), [x])[0]
  }

  /// A sample's last two axes exchanged.
  ///
  /// - Throws: `.invalidArgument` for fewer than two.
  public mutating func transpose(_ x: Value) throws(RuntimeError) -> Value {
    try exchange(x, -1, -2)
  }

  /// Two axes of a sample exchanged.
  ///
  /// - Throws: `.invalidArgument` for an axis that there is not.
  public mutating func exchange(_ x: Value, _ a: Int, _ b: Int) throws(RuntimeError) -> Value {
    let type = type(of: x)
    let operation = Permute(axes: [])
    var order = Array(type.shape.dimensions.indices)
    order.swapAt(try operation.resolve(a, type), try operation.resolve(b, type))
    return try permute(x, axes: order)
  }
}

/// y[i, j, …] = x with its indices in another order.
struct Permute: Operation {
  let axes: [Int]
  var name: String { "permute" }

  /// The axes from the front, checked.
  func order(_ x: TensorType) throws(RuntimeError) -> [Int] {
    var order: [Int] = []
    for axis in axes { order.append(try resolve(axis, x)) }
    guard order.count == x.shape.rank, Set(order).count == order.count else {
      throw RuntimeError(
        .invalidArgument, "expected every axis of \(x) once; came \(axes)", operation: name,
        field: "axes")
    }
    return order
  }

  func resultTypes(of operands: [TensorType]) throws(RuntimeError) -> [TensorType] {
    let x = operands[0]
    let extents = try order(x).map { x.shape[$0] }
    _ = try x.shape.byteCount(of: x.datatype)
    return [TensorType(x.datatype, try Shape(extents), isBatched: x.isBatched)]
  }

  func emit(_ node: Graph.Node, into program: inout ProgramBuilder) throws(RuntimeError) {
    let type = program.type(of: node.operands[0])
    let (x, y) = (try program.buffer(node.operands[0]), try program.buffer(node.results[0]))
    let order = try order(type)
    // Axes of x that stay neighbours are one; those of one element are none.
    var steps = [Int](repeating: 1, count: order.count)
    for axis in steps.indices.dropLast().reversed() {
      steps[axis] = steps[axis + 1] * type.shape[axis + 1]
    }
    var dimensions: [(count: Int, step: Int)] = []
    for axis in order where type.shape[axis] != 1 {
      if let last = dimensions.last, last.step == steps[axis] * type.shape[axis] {
        dimensions[dimensions.count - 1] = (last.count * type.shape[axis], steps[axis])
      } else {
        dimensions.append((type.shape[axis], steps[axis]))
      }
    }
    let size = type.datatype.byteCount ?? 1
    if size == 4, dimensions.count > 1, dimensions.last?.step != 1 {
      emitTransposes(dimensions, type, from: x, to: y, into: &program)
      return
    }
    let walk = StridedWalk(
      dimensions.isEmpty
        ? [(1, .zero)] : dimensions.map { ($0.count, StridedWalk.Offsets(0, $0.step, 0, 0)) },
      batchSteps: StridedWalk.Offsets(0, type.isBatched ? type.shape.elementCount : 0, 0, 0),
      isBatched: type.isBatched)
    // Where an element of the result lies is where it comes in the walk.
    program.step(name, reads: [x], writes: [y], tiles: walk.tiles) { frame, tile, _ in
      var out = frame.raw(y) + tile * Tiling.elements * size
      walk.forEachRun(tile: tile, batch: frame.batch) { offsets, count in
        let source = frame.raw(x) + offsets[1] * size
        let step = walk.runSteps[1] * size
        if step == size {
          out.copyMemory(from: source, byteCount: count * size)
        } else {
          for index in 0..<count {
            (out + index * size).copyMemory(from: source + index * step, byteCount: size)
          }
        }
        out += count * size
      }
    }
  }

  /// Planes of x's innermost axis and the result's innermost one, each transposed in blocks.
  private func emitTransposes(
    _ dimensions: [(count: Int, step: Int)], _ type: TensorType, from x: Buffer, to y: Buffer,
    into program: inout ProgramBuilder
  ) {
    guard let across = dimensions.firstIndex(where: { $0.step == 1 }) else {
      preconditionFailure("a dense tensor has an innermost axis")
    }
    let rows = dimensions[dimensions.count - 1]
    let columns = dimensions[across].count
    var outStep = 1
    var outer: [(count: Int, steps: StridedWalk.Offsets)] = []
    var columnStep = 1
    for (index, dimension) in dimensions.enumerated().reversed() {
      if index == across {
        columnStep = outStep
      } else if index != dimensions.count - 1 {
        outer.insert((dimension.count, StridedWalk.Offsets(outStep, dimension.step, 0, 0)), at: 0)
      }
      outStep *= dimension.count
    }
    let elements = type.shape.elementCount
    let planes = OuterLoop(outer)
    let isBatched = type.isBatched
    let columnsOut = columnStep
    let perTile = max(1, Tiling.elements / max(1, rows.count * columns))
    let isa = program.instructionSet
    program.step(
      name, reads: [x], writes: [y],
      tiles: { Tiling.count((isBatched ? $0 : 1) * planes.count, by: perTile) }
    ) { frame, tile, _ in
      let total = (isBatched ? frame.batch : 1) * planes.count
      for index in Tiling.range(tile, of: perTile, total: total) {
        let (sample, plane) = index.quotientAndRemainder(dividingBy: planes.count)
        let offsets = planes.offsets(plane)
        // (rows, columns) of x, its columns contiguous, to (columns, rows) of the result.
        isa.kernels.pointee.transpose(
          frame.floats(y) + sample * elements + offsets[0], columnsOut,
          frame.floats(x) + sample * elements + offsets[1], rows.step, 0, rows.count, columns)
      }
    }
  }

  func operationCount(_ node: Graph.Node, in graph: Graph) -> Double { 0 }

  func gradients(
    of node: Graph.Node, along: [Graph.Value?], wanted: [Bool], in graph: inout Graph
  ) throws(RuntimeError) -> [Graph.Value?] {
    guard let dy = along[0] else { return [nil] }
    let order = try order(graph.type(of: node.operands[0]))
    let inverse = order.indices.sorted { order[$0] < order[$1] }
    return [try graph.permute(dy, axes: inverse)]
  }
}

/// Dimensions around what a kernel does at once.
struct OuterLoop: Sendable {
  private let counts: [Int]
  private let steps: [StridedWalk.Offsets]
  /// How often the kernel is called.
  let count: Int

  init(_ dimensions: [(count: Int, steps: StridedWalk.Offsets)]) {
    counts = dimensions.map(\.count)
    steps = dimensions.map(\.steps)
    count = counts.reduce(1, *)
  }

  /// Where call `index` begins.
  func offsets(_ index: Int) -> StridedWalk.Offsets {
    var (rest, offsets) = (index, StridedWalk.Offsets.zero)
    for dimension in counts.indices.reversed() {
      let (quotient, position) = rest.quotientAndRemainder(dividingBy: counts[dimension])
      offsets &+= steps[dimension] &* StridedWalk.Offsets(repeating: position)
      rest = quotient
    }
    return offsets
  }
}
