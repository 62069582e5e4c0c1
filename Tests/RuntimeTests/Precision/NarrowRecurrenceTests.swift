// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

@Suite struct NarrowRecurrenceTests {
  /// A layer of a cell with everything that may vary.
  struct Layer: Sendable, CustomTestStringConvertible {
    var cell: RecurrentCell
    var steps: Int
    var isBidirectional = false
    var testDescription: String { "\(cell) \(steps) \(isBidirectional)" }
  }

  static let layers = [
    Layer(cell: .lstm, steps: 5), Layer(cell: .gru, steps: 4),
    Layer(cell: .simple(.tanh), steps: 6), Layer(cell: .lstm, steps: 130),
    Layer(cell: .gru, steps: 3, isBidirectional: true),
  ]

  @Test(arguments: layers)
  func answersAreNearThoseOfSinglePrecisionInAnyBatch(layer: Layer) throws {
    let (features, units) = (7, 9)
    for isa in InstructionSet.available {
      var graph = Graph()
      let x = try graph.input("x", shape: Shape([layer.steps, features]))
      func parameters(_ name: String) throws -> RecurrentParameters {
        let columns = layer.cell.gateCount * units
        return RecurrentParameters(
          weights: try graph.parameter(
            "\(name).w", shape: Shape([features, columns]), .fanInUniform(fanIn: features)),
          recurrentWeights: try graph.parameter(
            "\(name).u", shape: Shape([units, columns]), .fanInUniform(fanIn: units)),
          bias: try graph.parameter(
            "\(name).b", shape: Shape([columns]), .normal(deviation: 0.1)),
          recurrentBias: layer.cell.hasRecurrentBias
            ? try graph.parameter(
              "\(name).c", shape: Shape([columns]), .normal(deviation: 0.1)) : nil)
      }
      let forward = try parameters("forward")
      let outputs: [Graph.Value]
      if layer.isBidirectional {
        let (y, state) = try graph.bidirectional(
          layer.cell, x, forward: forward, backward: parameters("backward"))
        outputs = [y, state.hidden]
      } else {
        let (y, state) = try graph.recurrent(layer.cell, x, forward)
        outputs = [y, state.hidden]
      }
      let values = try Parameters(graph, seed: 3, instructionSet: isa)
      let random = Philox(key: 4, stream: 2)
      let samples = 30
      let input = (0..<samples * layer.steps * features).map {
        Float(random.word(at: UInt64($0)) >> 8) / Float(1 << 23) - 1
      }
      func run(_ precision: Precision, batch: Int, threads: Int = 1) throws -> [[Float]] {
        let plan = try Plan(
          graph, outputs: outputs, parameters: values, maximumBatch: samples, instructionSet: isa,
          precision: precision)
        let execution = try plan.makeExecution(workers: WorkerPool(threadCount: threads))
        return try input.withUnsafeBytes { bytes in
          let part = bytes[..<(batch * layer.steps * features * 4)]
          try execution.run([UnsafeRawBufferPointer(rebasing: part)], batch: batch)
          return outputs.indices.map {
            Array(execution.output($0).assumingMemoryBound(to: Float.self))
          }
        }
      }
      let exact = try run(.fp32, batch: samples)
      let narrow = try run(.bf16, batch: samples)
      for (ours, expected) in zip(narrow, exact) {
        let largest = zip(ours, expected).map { abs($0 - $1) }.max() ?? 1
        #expect(largest > 0 && largest < 0.03, "\(isa.name)")
      }
      #expect(try run(.bf16, batch: samples, threads: 2) == narrow, "\(isa.name)")
      let one = try run(.bf16, batch: 1)
      #expect(one[0] == Array(narrow[0].prefix(one[0].count)), "\(isa.name)")
    }
  }
}
