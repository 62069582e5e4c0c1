// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct PlanTests {
  @Test(arguments: InstructionSet.available)
  func aSampleHasTheSameResultInAnyBatch(_ isa: InstructionSet) throws {
    let network = try SmallNetwork()
    let parameters = try Parameters(network.graph, seed: 2, instructionSet: isa)
    let plan = try Plan(
      network.graph, outputs: [network.probabilities], parameters: parameters, maximumBatch: 16,
      instructionSet: isa)
    #expect(plan.inputs.map(\.name) == ["images"])
    #expect(plan.inputs[0].type.description == "UINT8 [batch, 18, 18, 1]")
    let data = SmallData()
    let execution = try plan.makeExecution(workers: WorkerPool(threadCount: 3))
    func probabilities(_ range: Range<Int>) throws -> [Float] {
      try data.with(range) { try execution.run([$0[0]], batch: range.count) }
      return Array(execution.output(0).assumingMemoryBound(to: Float.self))
    }
    let whole = try probabilities(0..<16)
    #expect(whole.count == 160)
    for row in 0..<16 { #expect(abs(whole[row * 10..<row * 10 + 10].reduce(0, +) - 1) < 1e-5) }
    for range in [3..<4, 0..<7, 5..<16] {
      let part = try probabilities(range)
      let isSame = part == Array(whole[range.lowerBound * 10..<range.upperBound * 10])
      #expect(isSame, "samples \(range)")
    }
  }

  @Test func aPlanIsNotTouchedByTrainingOn() throws {
    let network = try SmallNetwork()
    let session = try network.session()
    let data = SmallData()
    let plan = try session.makePlan(outputs: [network.logits])
    let execution = try plan.makeExecution(workers: WorkerPool(threadCount: 1))
    func logits() throws -> [Float] {
      try data.with(0..<8) { try execution.run([$0[0]], batch: 8) }
      return Array(execution.output(0).assumingMemoryBound(to: Float.self))
    }
    let before = try logits()
    try data.with(0..<16) { _ = try session.step($0, batch: 16) }
    #expect(try logits() == before)
    let after = try session.makePlan(outputs: [network.logits])
    let newer = try after.makeExecution(workers: WorkerPool(threadCount: 1))
    try data.with(0..<8) { try newer.run([$0[0]], batch: 8) }
    #expect(Array(newer.output(0).assumingMemoryBound(to: Float.self)) != before)
  }

  @Test func executionsShareAPlanAtTheSameTime() throws {
    let network = try SmallNetwork()
    let isa = try InstructionSet.preferred(forced: nil)
    let parameters = try Parameters(network.graph, seed: 2, instructionSet: isa)
    let plan = try Plan(
      network.graph, outputs: [network.logits], parameters: parameters, maximumBatch: 4,
      instructionSet: isa)
    let workers = try WorkerPool(threadCount: 3)
    let executions = try (0..<6).map { _ in try plan.makeExecution(workers: workers) }
    let data = SmallData()
    var failures = 0
    try data.with(0..<4) { inputs in
      // SAFETY: each tile uses an execution of its own; the inputs outlive the call.
      nonisolated(unsafe) let pixels = inputs[0]
      workers.parallelFor(6) { try? executions[$0].run([pixels], batch: 4) }
    }
    let first = Array(executions[0].output(0))
    for execution in executions where Array(execution.output(0)) != first { failures += 1 }
    #expect(failures == 0)
    #expect(first.count == 160)
  }

  @Test func batchNormalisationUsesTheRunningStatistics() throws {
    let golden = try Golden("batch-norm")
    var run = GraphRun()
    let x = try run.input("x", golden.shape("x"), golden.floats("x"))
    var p: [Graph.Value] = []
    for name in ["scale", "offset", "running_mean", "running_variance"] {
      p.append(
        try run.parameter(
          name, golden.shape(name), golden.floats(name), isTrainable: p.count < 2))
    }
    let y = try run.graph.batchNormalization(
      x, scale: p[0], offset: p[1], runningMean: p[2], runningVariance: p[3])
    for isa in InstructionSet.available {
      let evaluated = try run.run([y], batch: 4, mode: .inference, instructionSet: isa)
      #expect(deviation(evaluated.values[0], from: try golden.floats("evaluated")) < 1e-5)
      let trained = try run.run([y], batch: 4, mode: .training, instructionSet: isa)
      #expect(deviation(trained.values[0], from: try golden.floats("y")) < 1e-5)
      for name in ["running_mean", "running_variance"] {
        let moved = try #require(trained.parameters[name])
        #expect(deviation(moved, from: try golden.floats("new_\(name)")) < 1e-5)
      }
    }
  }

  @Test func elementwiseStepsWorkInPlaceAndMemoryIsReused() throws {
    var graph = Graph()
    var x = try graph.input("x", shape: Shape([1000]))
    for _ in 0..<10 { x = try graph.tanh(graph.sigmoid(x)) }
    let isa = try InstructionSet.preferred(forced: nil)
    let plan = try Plan(
      graph, outputs: [x], parameters: Parameters(graph, seed: 0, instructionSet: isa),
      maximumBatch: 8, instructionSet: isa)
    #expect(plan.arenaByteCount < 2 * 8 * 1000 * 4)
  }

  @Test func anInputMayBeAnOutput() throws {
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([2, 3]))
    let y = try graph.flatten(x)
    let isa = try InstructionSet.preferred(forced: nil)
    let plan = try Plan(
      graph, outputs: [y], parameters: Parameters(graph, seed: 0, instructionSet: isa),
      maximumBatch: 2, instructionSet: isa)
    let execution = try plan.makeExecution(workers: WorkerPool(threadCount: 1))
    let values: [Float] = [1, 2, 3, 4, 5, 6]
    try values.withUnsafeBytes {
      try execution.run([$0], batch: 1)
      #expect(Array(execution.output(0).assumingMemoryBound(to: Float.self)) == values)
    }
  }

  @Test func refusesPlansThatCannotBe() throws {
    let network = try SmallNetwork()
    let isa = try InstructionSet.preferred(forced: nil)
    let parameters = try Parameters(network.graph, seed: 2, instructionSet: isa)
    for batch in [0, -3, Int.max / 64] {
      #expect(throws: RuntimeError.self) {
        try Plan(
          network.graph, outputs: [network.logits], parameters: parameters, maximumBatch: batch,
          instructionSet: isa)
      }
    }
  }
}
