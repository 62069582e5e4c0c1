// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct LossTests {
  @Test(arguments: InstructionSet.available)
  func meanSquaredError(_ isa: InstructionSet) throws {
    let golden = try Golden("mean-squared-error")
    var run = GraphRun()
    let x = try run.input("x", golden.shape("x"), golden.floats("x"))
    let targets = try run.input("targets", golden.shape("x"), golden.floats("targets"))
    let loss = try run.graph.meanSquaredError(x, targets: targets)
    let dx = try #require(try run.graph.differentiate(loss, along: [x])[0])
    let results = try run.run([loss, dx], batch: 6, instructionSet: isa)
    #expect(deviation(results.values[0], from: try golden.floats("loss")) < 1e-6)
    #expect(deviation(results.values[1], from: try golden.floats("dx")) < 1e-6)
  }

  @Test(arguments: InstructionSet.available)
  func crossEntropy(_ isa: InstructionSet) throws {
    let golden = try Golden("cross-entropy")
    var run = GraphRun()
    let x = try run.input("x", golden.shape("x"), golden.floats("x"))
    let labels = try run.graph.input("labels", .int32, shape: .scalar)
    let loss = try run.graph.crossEntropy(x, labels: labels)
    let dx = try #require(try run.graph.differentiate(loss, along: [x])[0])
    // The labels are handed over as the floats of the same bits.
    run.set(labels, try golden.integers("labels").map { Float(bitPattern: UInt32(bitPattern: $0)) })
    let results = try run.run([loss, dx], batch: 6, instructionSet: isa)
    #expect(deviation(results.values[0], from: try golden.floats("loss")) < 1e-6)
    #expect(deviation(results.values[1], from: try golden.floats("dx")) < 1e-6)
  }
}
