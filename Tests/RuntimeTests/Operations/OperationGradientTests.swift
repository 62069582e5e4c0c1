// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// Every operation against an independent framework and against central differences, on every
/// instruction set of this machine.
struct OperationGradientTests {
  @Test(arguments: OperationCase.all, InstructionSet.available)
  func agreesWithTheGoldenValues(_ operation: OperationCase, _ isa: InstructionSet) throws {
    let golden = try Golden(operation.golden)
    let names = ["x"] + operation.parameters
    var run = GraphRun()
    let (values, y) = try build(operation, golden, into: &run)
    let gradients = try run.gradients(of: y, along: golden.floats("dy"), for: values)
    let batch = try golden.shape("x")[0]
    for threads in [1, 3] {
      let results = try run.run(
        [y] + gradients, batch: batch, instructionSet: isa, threads: threads)
      #expect(deviation(results.values[0], from: try golden.floats("y")) < 2e-5)
      for (name, values) in zip(names, results.values.dropFirst()) {
        let off = deviation(values, from: try golden.floats("d\(name)"))
        #expect(off < 1e-4, "d\(name) is off by \(off)")
      }
    }
  }

  @Test(arguments: OperationCase.all.filter(\.isSmooth))
  func gradientIsTheSlope(_ operation: OperationCase) throws {
    let isa = try InstructionSet.preferred(forced: nil)
    let golden = try Golden(operation.golden)
    let dy = try golden.floats("dy")
    let batch = try golden.shape("x")[0]
    for name in ["x"] + operation.parameters {
      let center = try golden.floats(name)
      // A direction of ±1 that differs from element to element.
      let direction = center.indices.map { index -> Float in
        Philox(key: 1, stream: 2).word(at: UInt64(index)) & 1 == 0 ? 1 : -1
      }
      func objective(_ distance: Float) throws -> Double {
        var run = GraphRun()
        let moved = zip(center, direction).map { $0 + distance * $1 }
        let (_, y) = try build(operation, golden, replacing: name, with: moved, into: &run)
        let values = try run.run([y], batch: batch, instructionSet: isa).values[0]
        return zip(values, dy).reduce(0) { $0 + Double($1.0) * Double($1.1) }
      }
      var run = GraphRun()
      let (values, y) = try build(operation, golden, into: &run)
      let gradients = try run.gradients(of: y, along: dy, for: values)
      let index = try #require((["x"] + operation.parameters).firstIndex(of: name))
      let gradient = try run.run([gradients[index]], batch: batch, instructionSet: isa).values[0]
      let slope = zip(gradient, direction).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
      // Small enough that no window changes its maximum and no relu its side, nearly always; what
      // is left is rounding, about 1e-7 of the terms' size over the distance.
      let distance: Float = 1.0 / 1024
      let measured = (try objective(distance) - objective(-distance)) / Double(2 * distance)
      let size = gradient.reduce(0.0) { $0 + Double($1 * $1) }.squareRoot()
      #expect(abs(measured - slope) < 0.02 * max(1, size), "along \(name)")
    }
  }

  /// Samples enough for several tiles of every step: where a result has one number of threads' bits only by chance,
  /// these differ.
  @Test(arguments: OperationCase.all)
  func hasTheSameBitsAtAnyNumberOfThreads(_ operation: OperationCase) throws {
    let isa = try InstructionSet.preferred(forced: nil)
    let golden = try Golden(operation.golden)
    let shape = try golden.shape("x")
    let copies = 1 + 34_000 / shape.elementCount
    let batch = copies * shape[0]
    var run = GraphRun()
    let (values, y) = try build(operation, golden, copies: copies, into: &run)
    let some = Array(repeating: try golden.floats("dy"), count: copies).joined()
    let gradients = try run.gradients(of: y, along: Array(some), for: values)
    let results = try [1, 2, 7].map { threads in
      try run.run([y] + gradients, batch: batch, instructionSet: isa, threads: threads).values
        .map { $0.map(\.bitPattern) }
    }
    #expect(results[0] == results[1])
    #expect(results[0] == results[2])
  }

  private func build(
    _ operation: OperationCase, _ golden: Golden, copies: Int = 1,
    replacing replaced: String? = nil,
    with elements: [Float] = [], into run: inout GraphRun
  ) throws -> (values: [Graph.Value], y: Graph.Value) {
    func values(_ name: String) throws -> [Float] {
      name == replaced ? elements : try golden.floats(name)
    }
    func copied<T>(_ elements: [T]) -> [T] {
      Array(Array(repeating: elements, count: copies).joined())
    }
    let x = try run.input("x", golden.shape("x"), copied(values("x")))
    var parameters: [Graph.Value] = []
    for name in operation.parameters {
      parameters.append(try run.parameter(name, golden.shape(name), values(name)))
    }
    let constants = try operation.constants.map {
      try run.parameter($0, golden.shape($0), golden.floats($0), isTrainable: false)
    }
    var indices: [Graph.Value] = []
    for name in operation.indices {
      indices.append(try run.indices(name, golden.shape(name), copied(golden.integers(name))))
    }
    let y = try operation.build(&run.graph, x, parameters + constants + indices)
    return ([x] + parameters, y)
  }
}
