// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct LossTests {
  static let elementLosses: [(golden: String, loss: ElementLoss)] = [
    ("squared", .squared), ("absolute", .absolute), ("huber", .huber(delta: 0.7)),
    ("binary", .binaryCrossEntropy()),
    ("binary-weighted", .binaryCrossEntropy(positiveWeight: 2.5)),
    ("hinge", .hinge), ("kullback-leibler", .kullbackLeibler),
  ]

  @Test(arguments: elementLosses, InstructionSet.available)
  func lossesBetweenElements(
    _ variant: (golden: String, loss: ElementLoss), _ isa: InstructionSet
  ) throws {
    let golden = try Golden("element-losses")
    var run = GraphRun()
    let x = try run.input("x", golden.shape("x"), golden.floats("x"))
    let targets = try run.input(
      "targets", golden.shape("x"), golden.floats("\(variant.golden).targets"))
    let loss = try run.graph.loss(variant.loss, x, targets: targets)
    let dx = try #require(try run.graph.differentiate(loss, along: [x])[0])
    let results = try run.run([loss, dx], batch: 6, instructionSet: isa)
    let expected = try golden.floats("\(variant.golden).loss")
    #expect(deviation(results.values[0], from: expected) < 1e-6)
    #expect(deviation(results.values[1], from: try golden.floats("\(variant.golden).dx")) < 1e-6)
    let alone = try run.run([loss], batch: 6, instructionSet: isa, threads: 2)
    #expect(alone.values[0] == results.values[0])
  }

  @Test(arguments: InstructionSet.available)
  func crossEntropyOfShares(_ isa: InstructionSet) throws {
    let golden = try Golden("training/shares")
    var run = GraphRun()
    let x = try run.input("x", golden.shape("x"), golden.floats("x"))
    let targets = try run.input("targets", golden.shape("x"), golden.floats("targets"))
    let loss = try run.graph.loss(.crossEntropy, run.graph.logSoftmax(x), targets: targets)
    let dx = try #require(try run.graph.differentiate(loss, along: [x])[0])
    let results = try run.run([loss, dx], batch: 6, instructionSet: isa)
    #expect(deviation(results.values[0], from: try golden.floats("loss")) < 1e-6)
    #expect(deviation(results.values[1], from: try golden.floats("dx")) < 1e-6)
  }

  static let crossEntropies: [(golden: String, smoothing: Float, isWeighted: Bool)] = [
    ("plain", 0, false), ("smoothed", 0.1, false), ("weighted", 0, true), ("both", 0.2, true),
  ]

  @Test(arguments: crossEntropies, InstructionSet.available)
  func crossEntropy(
    _ variant: (golden: String, smoothing: Float, isWeighted: Bool), _ isa: InstructionSet
  ) throws {
    let golden = try Golden("cross-entropy")
    var run = GraphRun()
    let x = try run.input("x", golden.shape("x"), golden.floats("x"))
    let labels = try run.graph.input("labels", .int32, shape: .scalar)
    let loss = try run.graph.crossEntropy(
      x, labels: labels, smoothing: variant.smoothing,
      weights: variant.isWeighted ? golden.floats("weights") : [])
    let dx = try #require(try run.graph.differentiate(loss, along: [x])[0])
    // The labels are handed over as the floats of the same bits.
    run.set(labels, try golden.integers("labels").map { Float(bitPattern: UInt32(bitPattern: $0)) })
    let results = try run.run([loss, dx], batch: 6, instructionSet: isa)
    let expected = try golden.floats("\(variant.golden).loss")
    #expect(deviation(results.values[0], from: expected) < 1e-6)
    #expect(deviation(results.values[1], from: try golden.floats("\(variant.golden).dx")) < 1e-6)
  }
}
