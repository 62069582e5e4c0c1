// SPDX-License-Identifier: Apache-2.0

/// How a result and up to three operands are walked together: row by row of the result, each operand with
/// steps of its own.
///
/// A step of 0 stays where it is, which is all that broadcasting needs. Neighbouring dimensions that every
/// tensor walks alike are one.
struct StridedWalk: Sendable {
  /// Elements from the start of the result and of each operand, in this order.
  typealias Offsets = SIMD4<Int>

  /// Dimensions of a sample around the innermost, outermost first.
  private var counts: [Int] = []
  private var steps: [Offsets] = []
  /// From sample to sample.
  private let batchSteps: Offsets
  private let isBatched: Bool
  /// The innermost dimension, whose steps are constant along a run.
  private let runCount: Int
  let runSteps: Offsets
  /// Whether the samples follow one another as the elements of a run do.
  private let runsThroughBatch: Bool
  private let elementsPerSample: Int

  /// Broadcasts operands: shapes are aligned at their ends; what has no batch is the same for every sample.
  ///
  /// - Precondition: the operands' shapes broadcast to the result's; there are at most three.
  init(over result: TensorType, broadcasting operands: [TensorType]) {
    let types = [result] + operands
    let extents = result.shape.dimensions
    var dimensions: [(count: Int, steps: Offsets)] = extents.map { ($0, .zero) }
    var batchSteps = Offsets.zero
    for (position, type) in types.enumerated() {
      var step = 1
      for (index, extent) in type.shape.dimensions.enumerated().reversed() {
        let place = extents.count - type.shape.rank + index
        if extent != 1 { dimensions[place].steps[position] = step }
        step *= extent
      }
      batchSteps[position] = type.isBatched ? step : 0
    }
    self.init(dimensions, batchSteps: batchSteps, isBatched: result.isBatched)
  }

  /// Walks these dimensions of a sample, outermost first; the result's steps are those of its own row-major
  /// order.
  init(
    _ dimensions: [(count: Int, steps: Offsets)], batchSteps: Offsets, isBatched: Bool
  ) {
    var merged: [(count: Int, steps: Offsets)] = []
    for dimension in dimensions where dimension.count != 1 {
      if let last = merged.last,
        last.steps == dimension.steps &* Offsets(repeating: dimension.count)
      {
        merged[merged.count - 1] = (last.count * dimension.count, dimension.steps)
      } else {
        merged.append(dimension)
      }
    }
    let run = merged.popLast() ?? (1, Offsets.zero)
    counts = merged.map(\.count)
    steps = merged.map(\.steps)
    elementsPerSample = dimensions.reduce(1) { $0 * $1.count }
    self.batchSteps = batchSteps
    self.isBatched = isBatched
    // One element a sample has no steps of its own: the batch's are then the run's.
    let isSingle = run.count == 1
    runsThroughBatch =
      isBatched && merged.isEmpty
      && (isSingle
        ? Self.isUnit(batchSteps)
        : batchSteps == run.steps &* Offsets(repeating: run.count))
    runSteps = isSingle && runsThroughBatch ? batchSteps : run.steps
    runCount = run.count
  }

  private static func isUnit(_ steps: Offsets) -> Bool {
    (0..<4).allSatisfy { steps[$0] == 0 || steps[$0] == 1 }
  }

  /// Elements of the result.
  func elementCount(batch: Int) -> Int { isBatched ? batch * elementsPerSample : elementsPerSample }

  /// Tiles of the result: a function of its shape only.
  var tiles: Step.Tiles {
    { Tiling.count(elementCount(batch: $0), by: Tiling.elements) }
  }

  /// Calls `body` for every run of one tile's elements with where it begins and how many elements it has.
  ///
  /// Allocates nothing.
  func forEachRun(tile: Int, batch: Int, _ body: (_ offsets: Offsets, _ count: Int) -> Void) {
    let total = elementCount(batch: batch)
    let range = Tiling.range(tile, of: Tiling.elements, total: total)
    let perRun = runsThroughBatch ? total : runCount
    var start = range.lowerBound
    while start < range.upperBound {
      let (row, column) = start.quotientAndRemainder(dividingBy: perRun)
      let count = min(range.upperBound - start, perRun - column)
      body(offsets(row: row) &+ runSteps &* Offsets(repeating: column), count)
      start += count
    }
  }

  /// Where a row of runs begins.
  private func offsets(row: Int) -> Offsets {
    var (rest, offsets) = (row, Offsets.zero)
    for index in counts.indices.reversed() {
      let (quotient, position) = rest.quotientAndRemainder(dividingBy: counts[index])
      offsets &+= steps[index] &* Offsets(repeating: position)
      rest = quotient
    }
    return offsets &+ batchSteps &* Offsets(repeating: rest)
  }
}

extension ProgramBuilder {
  /// Adds a step over runs of a result and its broadcast operands; in place where the first operand has the
  /// result's type and is not needed any more.
  mutating func broadcast(
    _ name: String, _ result: Graph.Value, from operands: [Graph.Value],
    _ body:
      @escaping @Sendable (
        _ frame: borrowing Frame, _ offsets: StridedWalk.Offsets, _ steps: StridedWalk.Offsets,
        _ count: Int
      ) -> Void
  ) throws(RuntimeError) {
    let walk = StridedWalk(
      over: type(of: result), broadcasting: operands.map { type(of: $0) })
    let output = try buffer(result)
    var reads: [Buffer] = []
    for operand in operands { reads.append(try buffer(operand)) }
    step(
      name, reads: reads, writes: [output],
      inPlace: type(of: operands[0]) == type(of: result) ? (output, reads[0]) : nil,
      tiles: walk.tiles
    ) { frame, tile, _ in
      walk.forEachRun(tile: tile, batch: frame.batch) { offsets, count in
        body(frame, offsets, walk.runSteps, count)
      }
    }
  }
}

extension Operation {
  /// The type that operands broadcast to: shapes aligned at their ends, an extent of one stretched, a batch where
  /// one has it.
  ///
  /// - Throws: `.shapeMismatch` naming `field`.
  func broadcastType(
    _ operands: [TensorType], _ datatype: DataType, _ field: String
  ) throws(RuntimeError) -> TensorType {
    let rank = operands.map(\.shape.rank).max() ?? 0
    var extents = [Int](repeating: 1, count: rank)
    for operand in operands {
      for (index, extent) in operand.shape.dimensions.enumerated() where extent != 1 {
        let place = rank - operand.shape.rank + index
        guard extents[place] == 1 || extents[place] == extent else {
          throw RuntimeError(
            .shapeMismatch,
            "expected shapes that broadcast; came "
              + operands.map(\.description).joined(separator: " and "),
            operation: name, field: field)
        }
        extents[place] = extent
      }
    }
    return TensorType(
      datatype, try Shape(extents), isBatched: operands.contains(where: \.isBatched))
  }
}
