// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct DropoutTests {
  @Test(arguments: InstructionSet.available)
  func scalesWhatItKeepsAndItsGradientHasTheSameMask(_ isa: InstructionSet) throws {
    let count = 40_000
    let ones = [Float](repeating: 1, count: count)
    var run = GraphRun()
    let x = try run.input("x", Shape([2, count / 2]), ones)
    let y = try run.graph.dropout(x, rate: 0.2)
    let other = try run.graph.dropout(x, rate: 0.2)
    let dx = try run.gradients(of: y, along: ones, for: [x])[0]
    func values(step: UInt64 = 1, seed: UInt64 = 7, threads: Int = 1) throws -> [[Float]] {
      try run.run(
        [y, dx, other], batch: 2, instructionSet: isa, threads: threads, step: step, seed: seed
      ).values
    }
    let first = try values()
    let zeros = first[0].count { $0 == 0 }
    #expect(abs(Double(zeros) / Double(count) - 0.2) < 0.01)
    #expect(first[0].allSatisfy { $0 == 0 || abs($0 - 1.25) < 1e-6 })
    // Masks are compared as Booleans: a failing comparison of long arrays would explain itself for hours.
    let isSameInGradient = first[0] == first[1]
    #expect(isSameInGradient)
    let isSameElsewhere = first[0] == first[2]
    #expect(!isSameElsewhere)
    let isSameOnThreads = try values(threads: 3)[0] == first[0]
    #expect(isSameOnThreads)
    let isSameAtNextStep = try values(step: 2)[0] == first[0]
    #expect(!isSameAtNextStep)
    let isSameForOtherSeed = try values(seed: 8)[0] == first[0]
    #expect(!isSameForOtherSeed)
    let inference = try run.run([y], batch: 2, mode: .inference, instructionSet: isa).values[0]
    #expect(inference.allSatisfy { $0 == 1 })
  }
}
