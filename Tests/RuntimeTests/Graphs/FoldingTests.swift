// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// Batch normalisations in inference go into the weights of what is before them.
struct FoldingTests {
  /// conv (with or without bias), norm, relu, conv, norm, flatten, dense, norm; and one normalisation of the input,
  /// which has nothing before it.
  private func network(
    hasBias: Bool
  ) throws -> (run: GraphRun, y: Graph.Value, statistics: [String: [Float]]) {
    var run = GraphRun()
    var statistics: [String: [Float]] = [:]
    func numbers(_ count: Int, stream: UInt64, above: Float) -> [Float] {
      let random = Philox(key: 3, stream: stream)
      return (0..<count).map { above + Float(random.word(at: UInt64($0)) >> 8) / Float(1 << 24) }
    }
    func parameter(
      _ name: String, _ shape: [Int], _ stream: UInt64, above: Float = -0.5
    ) throws -> Graph.Value {
      let shape = try Shape(shape)
      let elements = numbers(shape.elementCount, stream: stream, above: above)
      statistics[name] = elements
      return try run.parameter(name, shape, elements)
    }
    func norm(_ x: Graph.Value, _ name: String, _ stream: UInt64) throws -> Graph.Value {
      let channels = run.graph.type(of: x).shape.innermost
      let scale = try parameter("\(name).scale", [channels], stream, above: 0.5)
      let offset = try parameter("\(name).offset", [channels], stream + 1)
      let mean = try parameter("\(name).mean", [channels], stream + 2)
      let variance = try parameter("\(name).variance", [channels], stream + 3, above: 0.25)
      return try run.graph.batchNormalization(
        x, scale: scale, offset: offset, runningMean: mean, runningVariance: variance)
    }
    let image = try run.input("x", Shape([2, 6, 6, 3]), numbers(216, stream: 1, above: -0.5))
    var x = try norm(image, "norm0", 100)
    let w1 = try parameter("w1", [3, 3, 3, 5], 2)
    let b1 = hasBias ? try parameter("b1", [5], 3) : nil
    x = try run.graph.conv2d(x, weights: w1, bias: b1, padding: .same)
    x = try run.graph.relu(norm(x, "norm1", 110))
    let w2 = try parameter("w2", [3, 3, 5, 4], 4)
    x = try run.graph.conv2d(x, weights: w2)
    x = try run.graph.flatten(norm(x, "norm2", 120))
    let w3 = try parameter("w3", [64, 7], 5)
    let b3 = hasBias ? try parameter("b3", [7], 6) : nil
    x = try run.graph.dense(x, weights: w3, bias: b3)
    let y = try norm(x, "norm3", 130)
    return (run, y, statistics)
  }

  @Test(arguments: [false, true], InstructionSet.available)
  func foldedPlansGiveTheSameAnswers(_ hasBias: Bool, _ isa: InstructionSet) throws {
    let (run, y, values) = try network(hasBias: hasBias)
    let apart = try run.run([y], batch: 2, mode: .inference, instructionSet: isa).values[0]
    let folded = run.graph.fused(keeping: [y], foldsNormalizations: true)
    #expect(folded.nodes.filter { $0.operation is BatchNormalization }.count == 1)

    let parameters = try Parameters(run.graph, seed: 0, instructionSet: isa)
    for (name, elements) in values { try parameters.set(name, to: elements) }
    let plan = try Plan(
      run.graph, outputs: [y], parameters: parameters, maximumBatch: 2, instructionSet: isa)
    let execution = try plan.makeExecution(workers: WorkerPool(threadCount: 2))
    let random = Philox(key: 3, stream: 1)
    let x = (0..<216).map { -0.5 + Float(random.word(at: UInt64($0)) >> 8) / Float(1 << 24) }
    try x.withUnsafeBytes { try execution.run([$0], batch: 2) }
    let together = Array(execution.output(0).assumingMemoryBound(to: Float.self))
    #expect(deviation(together, from: apart) < 1e-5)
  }

  @Test func aNormalisationThatOthersSeeThroughStays() throws {
    var (run, y, _) = try network(hasBias: true)
    let w = try run.parameter("w", Shape([7, 7]), [Float](repeating: 0.5, count: 49))
    let x = try run.graph.dense(y, weights: w)
    let scale = try run.parameter("s", Shape([7]), [Float](repeating: 1, count: 7))
    let z = try run.graph.batchNormalization(
      x, scale: scale, offset: scale, runningMean: scale, runningVariance: scale)
    let folded = run.graph.fused(keeping: [z, x], foldsNormalizations: true)
    // The input's and the one whose dense product is an output itself.
    #expect(folded.nodes.filter { $0.operation is BatchNormalization }.count == 2)
  }
}
