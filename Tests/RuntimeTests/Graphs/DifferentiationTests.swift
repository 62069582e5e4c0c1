// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

@Suite struct DifferentiationTests {
  @Test func gradientsAlongAGivenGradientReachInputsAndParameters() throws {
    var run = GraphRun()
    let x = try run.input("x", try Shape([2, 2]), [1, 2, 3, 4])
    let w = try run.parameter("w", try Shape([2, 1]), [5, 7])
    let unused = try run.parameter("unused", try Shape([1]), [0])
    let y = try run.graph.dense(x, weights: w)
    let dy = try run.input("dy", try Shape([2, 1]), [10, 100])
    let gradients = try run.graph.gradients(of: y, along: dy, to: [x, w, unused])
    #expect(gradients[2] == nil)
    let outputs = try gradients.prefix(2).map { try #require($0) }
    for isa in InstructionSet.available {
      let results = try run.run(outputs, batch: 2, instructionSet: isa)
      #expect(results.values[0] == [50, 70, 500, 700])
      #expect(results.values[1] == [310, 420])
    }
  }

  @Test func aGradientOfAnotherTypeIsRefused() throws {
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([2]))
    let dy = try graph.input("dy", shape: Shape([3]))
    let y = try graph.relu(x)
    let error = #expect(throws: RuntimeError.self) {
      try graph.gradients(of: y, along: dy, to: [x])
    }
    #expect(error?.field == "gradient")
  }
}
