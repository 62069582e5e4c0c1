// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// Properties of compilation that hold for any graph, tried on graphs made by chance.
struct RandomGraphTests {
  private func floats(_ numbers: [Double]) -> [Float] { numbers.map(Float.init) }

  private func parameters(_ graph: RandomGraph, _ isa: InstructionSet) throws -> Parameters {
    let parameters = try Parameters(graph.graph, seed: 0, instructionSet: isa)
    for (name, elements) in graph.parameters { try parameters.set(name, to: floats(elements)) }
    return parameters
  }

  /// The inputs that a plan reads, as bytes.
  private func withInputs<R>(
    _ ports: [Port], _ inputs: [ReferenceTensor], _ body: ([UnsafeRawBufferPointer]) throws -> R
  ) throws -> R {
    let blocks = ports.compactMap { port in
      Int(port.name.dropFirst()).map { floats(inputs[$0].elements) }
    }
    func bind(_ index: Int, _ bound: [UnsafeRawBufferPointer]) throws -> R {
      guard index < blocks.count else { return try body(bound) }
      return try blocks[index].withUnsafeBytes { try bind(index + 1, bound + [$0]) }
    }
    return try bind(0, [])
  }

  private func off(_ values: [Float], _ expected: [Double]) -> Double {
    guard values.count == expected.count else { return .infinity }
    let size = expected.reduce(1) { max($0, abs($1)) }
    return zip(values, expected).reduce(0) { worst, pair in
      let difference = abs(Double(pair.0) - pair.1) / size
      return difference.isNaN ? .infinity : max(worst, difference)
    }
  }

  @Test(arguments: 0..<60)
  func plansComputeWhatTheirOperationsMean(seed: Int) throws {
    var graph = try RandomGraph(seed: UInt64(seed), operationCount: 4 + seed % 12)
    let outputs = graph.someOutputs()
    let isa = InstructionSet.available[seed % InstructionSet.available.count]
    let plan = try Plan(
      graph.graph, outputs: outputs.map { graph.values[$0] }, parameters: parameters(graph, isa),
      maximumBatch: 4, instructionSet: isa)
    let execution = try plan.makeExecution(workers: WorkerPool(threadCount: 1 + seed % 3))
    // One plan for every batch, up and down.
    for batch in [4, 1, 3] {
      let inputs = graph.makeInputs(batch: batch)
      let expected = graph.evaluate(inputs, graph.parameters)
      // An output may be an input, which lives as long as its bytes.
      let found = try withInputs(plan.inputs, inputs) { bytes in
        try execution.run(bytes, batch: batch)
        return withExtendedLifetime(execution) {
          outputs.indices.map {
            Array(execution.output($0).assumingMemoryBound(to: Float.self))
          }
        }
      }
      for (values, output) in zip(found, outputs) {
        let error = off(values, expected[output].elements)
        #expect(error < 2e-5, "output \(output), batch \(batch): off by \(error)")
      }
    }
  }

  /// Against central differences of the slow evaluation.
  @Test(arguments: 0..<40)
  func gradientsAreTheSlopesOfTheLoss(seed: Int) throws {
    var random = try RandomGraph(seed: 1000 + UInt64(seed), operationCount: 3 + seed % 8)
    let isa = InstructionSet.available[seed % InstructionSet.available.count]
    let last = random.values[random.values.count - 1]
    let batch = 2
    let inputs = random.makeInputs(batch: batch)
    var graph = random.graph
    let shape = graph.type(of: last).shape
    let targets = try graph.input("targets", shape: shape)
    let loss = try graph.loss(.squared, last, targets: targets)
    let zeros = [Float](repeating: 0, count: batch * shape.elementCount)
    let session = try TrainingSession(
      graph, loss: loss, optimizer: .sgd(learningRate: 1e-30), parameters: parameters(random, isa),
      maximumBatch: 3, seed: 1, workers: WorkerPool(threadCount: 2), instructionSet: isa)
    try withInputs(session.inputs.filter { $0.name != "targets" }, inputs) { bound in
      try zeros.withUnsafeBytes { _ = try session.step(bound + [$0], batch: batch) }
    }
    func meanSquare(_ parameters: [String: [Double]]) -> Double {
      let y = random.evaluate(inputs, parameters)[random.values.count - 1].elements
      return y.reduce(0) { $0 + $1 * $1 } / Double(y.count)
    }
    var numbers = RandomNumbers(seed: UInt64(seed))
    for name in random.trainable.suffix(4) {
      let gradient = try #require(session.gradient(of: name))
      let size = gradient.reduce(Float(0.1)) { max($0, abs($1)) }
      for _ in 0..<2 {
        let index = numbers.below(gradient.count)
        var (above, below) = (random.parameters, random.parameters)
        above[name]?[index] += 1e-6
        below[name]?[index] -= 1e-6
        let slope = (meanSquare(above) - meanSquare(below)) / 2e-6
        let error = abs(Double(gradient[index]) - slope) / Double(size)
        #expect(error < 1e-3, "\(name)[\(index)] is \(gradient[index]), expected \(slope)")
      }
    }
  }
}
