// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// Indices from anywhere: those of inputs are checked before a run, computed ones as they come.
struct IndexingTests {
  private let isa: InstructionSet

  init() throws { isa = try InstructionSet.preferred(forced: nil) }

  private func bits(_ values: [Float]) -> [Int32] {
    values.map { Int32(bitPattern: $0.bitPattern) }
  }

  @Test func placesOfExtremes() throws {
    let golden = try Golden("operations/arguments")
    var run = GraphRun()
    let x = try run.input("x", golden.shape("x"), golden.floats("x"))
    let places = [
      try run.graph.argMaximum(x, axis: 1), try run.graph.argMinimum(x, axis: 2),
      try run.graph.argMaximum(x, axis: 0),
    ]
    let results = try run.run(places, batch: 3, instructionSet: isa).values
    for (name, values) in zip(["maximum", "minimum", "first"], results) {
      #expect(bits(values) == (try golden.integers(name)))
    }
  }

  @Test func notANumberIsTheLargestAndTheFirstOfEqualsIsTaken() throws {
    var run = GraphRun()
    let x = try run.input("x", Shape([1, 5]), [1, .nan, 3, 3, -1])
    let top = try run.graph.topK(x, count: 3)
    let least = try run.graph.topK(x, count: 5, smallest: true)
    let results = try run.run([top.indices, least.indices], batch: 1, instructionSet: isa).values
    #expect(bits(results[0]) == [1, 2, 3])
    #expect(bits(results[1]) == [4, 0, 2, 3, 1])
  }

  @Test func rowsWithOneOne() throws {
    let golden = try Golden("operations/one-hot")
    var run = GraphRun()
    let indices = try run.indices("indices", golden.shape("indices"), golden.integers("indices"))
    let y = try run.graph.oneHot(indices, count: 5)
    let values = try run.run([y], batch: 3, instructionSet: isa).values[0]
    #expect(values == (try golden.floats("y")))
  }

  @Test func computedIndicesOutsideNameNothing() throws {
    var run = GraphRun()
    let x = try run.input("x", Shape([1, 3]), [1, 2, 3])
    let wild = try run.graph.cast(
      run.input("wild", Shape([1, 4]), [2, -1, 3, .infinity]), to: .int32)
    let rows = try run.input("rows", Shape([1, 4]), [10, 20, 30, 40])
    let type = TensorType(.fp32, try Shape([3]), isBatched: true)
    let values = [
      try run.graph.gather(x, wild, axis: 0), try run.graph.gatherElements(x, wild, axis: 0),
      try run.graph.oneHot(wild, count: 3),
      try run.graph.scatterAdd(rows, wild, axis: 0, type: type),
      try run.graph.scatter(x, wild, rows, axis: 0),
    ]
    let results = try run.run(values, batch: 1, instructionSet: isa).values
    #expect(results[0] == [3, 0, 0, 0])
    #expect(results[1] == [3, 0, 0, 0])
    #expect(results[2] == [0, 0, 1] + [Float](repeating: 0, count: 9))
    #expect(results[3] == [0, 0, 10])
    #expect(results[4] == [1, 2, 10])
  }

  @Test(arguments: [-1, 3])
  func inputsThatNameNothingAreRefused(index: Int32) throws {
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([3]))
    let indices = try graph.input("indices", .int32, shape: Shape([2]))
    let y = try graph.gather(x, indices, axis: 0)
    let plan = try Plan(
      graph, outputs: [y], parameters: Parameters(graph, seed: 0, instructionSet: isa),
      maximumBatch: 1, instructionSet: isa)
    let execution = try plan.makeExecution(workers: WorkerPool(threadCount: 1))
    let (values, places): ([Float], [Int32]) = ([1, 2, 3], [0, index])
    let error = #expect(throws: RuntimeError.self) {
      try values.withUnsafeBytes { values in
        try places.withUnsafeBytes { try execution.run([values, $0], batch: 1) }
      }
    }
    #expect(error?.field == "indices")
  }
}
