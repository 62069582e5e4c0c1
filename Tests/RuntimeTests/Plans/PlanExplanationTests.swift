// SPDX-License-Identifier: Apache-2.0

import Foundation
import FoundationXML
import Testing

@testable import Runtime

struct PlanExplanationTests {
  /// conv, norm, relu; a sum around it; dense.
  private func plan() throws -> Plan {
    let isa = try InstructionSet.preferred(forced: nil)
    var graph = Graph()
    let image = try graph.input("a<b", shape: Shape([4, 4, 3]))
    let channels = try Shape([3])
    func parameter(_ name: String, _ shape: Shape) throws -> Graph.Value {
      try graph.parameter(name, shape: shape, .ones)
    }
    let w1 = try parameter("w1", Shape([3, 3, 3, 3]))
    let norm = try ["scale", "offset", "mean", "variance"].map { try parameter($0, channels) }
    var x = try graph.conv2d(image, weights: w1, padding: .same)
    x = try graph.batchNormalization(
      x, scale: norm[0], offset: norm[1], runningMean: norm[2], runningVariance: norm[3])
    x = try graph.add(graph.relu(x), image)
    let w2 = try parameter("w2", Shape([48, 5]))
    x = try graph.dense(graph.flatten(x), weights: w2)
    return try Plan(
      graph, outputs: [x], parameters: Parameters(graph, seed: 0, instructionSet: isa),
      maximumBatch: 8, instructionSet: isa)
  }

  @Test func operationsAreNamedWithWhatWasMergedIntoThem() throws {
    let explanation = try plan().explanation
    #expect(
      explanation.steps.map(\.title) == ["conv2d + batch_norm + relu", "add", "reshape", "dense"])
    #expect(explanation.steps[0].operationCount == 2 * 9 * 3 * 3 * 16)
    #expect(explanation.steps[3].operationCount == 2 * 48 * 5)
    #expect(explanation.steps[0].parameterCount == 81 + 12)
    #expect(explanation.steps[1].sources == [.step(0), .input("a<b")])
    #expect(explanation.memory.values < explanation.memory.valuesUnshared)
    // conv's result, the sum and the dense layer's, of eight samples each.
    #expect(explanation.memory.valuesUnshared == 8 * 4 * (48 + 48 + 5))
  }

  @Test func theDrawingIsXMLWithABoxForEachOperation() throws {
    let drawing = try plan().explanation.svg
    let document = try XMLDocument(xmlString: drawing)
    let root = try #require(document.rootElement())
    #expect(root.elements(forName: "rect").count == 5)
    #expect(root.elements(forName: "path").count == 5)
    #expect(drawing.contains("a&lt;b"))
    #expect(drawing.contains("conv2d + batch_norm + relu"))
  }

  @Test(arguments: [(0, "0"), (999, "999"), (1000, "1 k"), (1500, "1.5 k"), (1_234_567, "1.23 M")])
  func numbersAreShort(_ number: Double, _ text: String) {
    #expect(PlanExplanation.short(number) == text)
  }

  @Test func memoryIsKnownBeforeItIsTaken() throws {
    let isa = try InstructionSet.preferred(forced: nil)
    let network = try SmallNetwork()
    let parameters = try Parameters(network.graph, seed: 0, instructionSet: isa)
    let plan = try Plan(
      network.graph, outputs: [network.logits], parameters: parameters, maximumBatch: 4,
      instructionSet: isa)
    let before = try Plan.memory(
      of: network.graph, outputs: [network.logits], maximumBatch: 4, instructionSet: isa)
    #expect(before == plan.memory)
    #expect(before.values > 0 && before.resident > 0)

    let training = try TrainingSession.memory(
      of: network.graph, loss: network.loss, optimizer: .adam(), maximumBatch: 4,
      instructionSet: isa)
    // Parameters, gradients and two moments.
    #expect(training.resident >= 4 * 4 * parameters.floatCount)
    #expect(training.values > before.values)
    #expect(training.total(threads: 2) >= training.resident + training.values)
    #expect(throws: RuntimeError.self) {
      try Plan.memory(
        of: network.graph, outputs: [network.logits], maximumBatch: Int.max / 2,
        instructionSet: isa)
    }
  }
}
