// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// Operations of networks of action values, by hand and against central differences.
struct ActionValueTests {
  private static let values: [Float] = [0.5, -1, 2, 0.25, 0.75, -2]  // (3, 2)
  private static let targets: [Float] = [0.25, 4, -2.5]
  private static let weights: [Float] = [1, 0.5, 2]
  private static let actions: [Int32] = [0, 0, 1]

  private static func run(
    _ values: [Float], _ loss: TemporalDifferenceLoss, _ isa: InstructionSet
  ) throws -> (loss: Float, gradient: [Float], errors: [Float]) {
    var run = GraphRun()
    let q = try run.input("q", Shape([3, 2]), values)
    let actions = try run.graph.input("actions", .int32, shape: .scalar)
    let targets = try run.graph.input("targets", .fp32, shape: .scalar)
    let weights = try run.graph.input("weights", .fp32, shape: .scalar)
    let results = try run.graph.temporalDifference(
      q, actions: actions, targets: targets, weights: weights, loss)
    let gradient = try #require(try run.graph.differentiate(results.loss, along: [q])[0])
    // Integers are handed over as the floats of the same bits.
    run.set(actions, Self.actions.map { Float(bitPattern: UInt32(bitPattern: $0)) })
    run.set(targets, Self.targets)
    run.set(weights, Self.weights)
    let output = try run.run(
      [results.loss, gradient, results.errors], batch: 3, instructionSet: isa)
    return (output.values[0][0], output.values[1], output.values[2])
  }

  @Test(arguments: InstructionSet.available)
  func temporalDifferences(_ isa: InstructionSet) throws {
    // Errors 0.25, -2 and 0.5 of the actions that were taken.
    let huber = try Self.run(Self.values, .huber, isa)
    #expect(huber.errors == [0.25, -2, 0.5])
    #expect(abs(huber.loss - (0.03125 + 0.5 * 1.5 + 2 * 0.125) / 3) < 1e-6)
    let squared = try Self.run(Self.values, .squared, isa)
    #expect(abs(squared.loss - (0.0625 + 0.5 * 4 + 2 * 0.25) / 3) < 1e-6)
    for loss in TemporalDifferenceLoss.allCases {
      let gradient = try Self.run(Self.values, loss, isa).gradient
      for index in Self.values.indices {
        var (up, down) = (Self.values, Self.values)
        up[index] += 1e-2
        down[index] -= 1e-2
        let slope = (try Self.run(up, loss, isa).loss - Self.run(down, loss, isa).loss) / 2e-2
        #expect(abs(slope - gradient[index]) < 1e-3, "\(loss) \(index)")
      }
    }
  }

  @Test(arguments: InstructionSet.available)
  func duellingStreams(_ isa: InstructionSet) throws {
    var run = GraphRun()
    let value = try run.input("value", Shape([2, 1]), [10, -1])
    let advantages = try run.input("advantages", Shape([2, 3]), [1, 2, 6, 0, 0, 3])
    let q = try run.graph.duelling(value: value, advantages: advantages)
    let gradients = try run.gradients(
      of: q, along: [1, 2, 3, -1, 0, 4], for: [value, advantages])
    let results = try run.run([q] + gradients, batch: 2, instructionSet: isa)
    #expect(results.values[0] == [8, 9, 13, -2, -2, 1])
    #expect(results.values[1] == [6, 3])
    #expect(results.values[2] == [-1, 0, 1, -2, -1, 3])
  }

  @Test(arguments: InstructionSet.available)
  func aLivePlanFollowsItsParameters(_ isa: InstructionSet) throws {
    var graph = Graph()
    let x = try graph.input("x", .fp32, shape: Shape([2]))
    let weights = try graph.parameter("w", shape: Shape([2, 1]), .zeros)
    let y = try graph.dense(x, weights: weights, bias: nil)
    let (first, second) = (
      try Parameters(graph, seed: 0, instructionSet: isa),
      try Parameters(graph, seed: 0, instructionSet: isa)
    )
    let plan = try LivePlan(
      graph, outputs: [y], parameters: first, maximumBatch: 1,
      workers: WorkerPool(threadCount: 1), instructionSet: isa)
    func answer() throws -> Float {
      let input: [Float] = [1, 10]
      return try input.withUnsafeBytes { bytes in
        try plan.run([bytes], batch: 1)
        return plan.output(0).loadUnaligned(as: Float.self)
      }
    }
    #expect(try answer() == 0)
    try second.set("w", to: [2, 4])
    first.move(toward: second, rate: 0.5)
    plan.refresh()
    #expect(try answer() == 21)
    first.move(toward: second, rate: 1)
    plan.refresh()
    #expect(try answer() == 42)
  }
}
