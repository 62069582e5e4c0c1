// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct RecurrentTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let cell: RecurrentCell
    var hasLengths = false
    var isReversed = false
  }

  static let cases = [("lstm", RecurrentCell.lstm), ("gru", .gru), ("rnn", .simple(.tanh))].flatMap
  {
    [
      Case(testDescription: $0, cell: $1),
      Case(
        testDescription: "\($0)-lengths-reversed", cell: $1, hasLengths: true, isReversed: true),
    ]
  }

  /// A layer in a graph with every tensor of its golden file.
  private struct Layer {
    var run = GraphRun()
    let names: [String]
    let values: [Graph.Value]
    let outputs: [Graph.Value]
    let outputNames: [String]

    init(_ variant: Case, _ golden: Golden, replacing: (name: String, with: [Float])? = nil) throws
    {
      func elements(_ name: String) throws -> [Float] {
        if let replacing, replacing.name == name { return replacing.with }
        return try golden.floats(name)
      }
      var values: [String: Graph.Value] = [:]
      for name in ["x", "hidden", "cell"] where golden.has(name) {
        values[name] = try run.input(name, golden.shape(name), elements(name))
      }
      for name in ["weights", "recurrent_weights", "bias", "recurrent_bias"]
      where golden.has(name) {
        values[name] = try run.parameter(name, golden.shape(name), elements(name))
      }
      var lengths: Graph.Value?
      if variant.hasLengths {
        let input = try run.graph.input("lengths", .int32, shape: .scalar)
        // Handed over as the floats of the same bits.
        run.set(
          input,
          try golden.integers("lengths").map { Float(bitPattern: UInt32(bitPattern: $0)) })
        lengths = input
      }
      let parameters = RecurrentParameters(
        weights: try #require(values["weights"]),
        recurrentWeights: try #require(values["recurrent_weights"]),
        bias: try #require(values["bias"]), recurrentBias: values["recurrent_bias"])
      let result = try run.graph.recurrent(
        variant.cell, try #require(values["x"]), parameters,
        initial: RecurrentState(hidden: try #require(values["hidden"]), cell: values["cell"]),
        lengths: lengths, isReversed: variant.isReversed)
      outputs = [result.outputs, result.state.hidden] + (result.state.cell.map { [$0] } ?? [])
      outputNames = Array(["y", "last_hidden", "last_cell"].prefix(outputs.count))
      names = values.keys.sorted()
      self.values = names.compactMap { values[$0] }
    }

    /// Gradients of the sum of all outputs, each times its direction.
    mutating func gradients(_ golden: Golden) throws -> [Graph.Value] {
      let directions = try zip(outputs, outputNames).map { ($0, try golden.floats("d\($1)")) }
      return try run.gradients(ofSum: directions, for: values)
    }
  }

  @Test(arguments: cases, InstructionSet.available)
  func agreesWithPyTorch(_ variant: Case, _ isa: InstructionSet) throws {
    let golden = try Golden(variant.testDescription)
    var layer = try Layer(variant, golden)
    let gradients = try layer.gradients(golden)
    var bits: [[Float]] = []
    for threads in [1, 3] {
      let values = try layer.run.run(
        layer.outputs + gradients, batch: 17, instructionSet: isa, threads: threads,
        maximumBatch: 20
      ).values
      for (name, value) in zip(layer.outputNames + layer.names.map { "d\($0)" }, values) {
        let off = deviation(value, from: try golden.floats(name))
        #expect(off < 2e-5, "\(name) is off by \(off)")
      }
      let isSame = bits.isEmpty || bits == values
      #expect(isSame)
      bits = values
    }
    // Without a gradient, what is computed on the way is not kept.
    let alone = try layer.run.run(
      layer.outputs, batch: 17, mode: .inference, instructionSet: isa, threads: 2
    ).values
    let isSame = alone == Array(bits.prefix(alone.count))
    #expect(isSame)
  }

  @Test(arguments: cases)
  func gradientIsTheSlope(_ variant: Case) throws {
    let isa = try InstructionSet.preferred(forced: nil)
    let golden = try Golden(variant.testDescription)
    var center = try Layer(variant, golden)
    let gradients = try center.gradients(golden)
    let slopes = try center.run.run(gradients, batch: 17, instructionSet: isa).values
    for (index, name) in center.names.enumerated() {
      let elements = try golden.floats(name)
      let direction = elements.indices.map { index -> Float in
        Philox(key: 1, stream: 2).word(at: UInt64(index)) & 1 == 0 ? 1 : -1
      }
      func objective(_ distance: Float) throws -> Double {
        let moved = zip(elements, direction).map { $0 + distance * $1 }
        let layer = try Layer(variant, golden, replacing: (name, moved))
        let values = try layer.run.run(layer.outputs, batch: 17, instructionSet: isa).values
        return try zip(values, layer.outputNames).reduce(0) { sum, output in
          try zip(output.0, golden.floats("d\(output.1)")).reduce(sum) {
            $0 + Double($1.0) * Double($1.1)
          }
        }
      }
      let distance: Float = 1.0 / 1024
      let measured = (try objective(distance) - objective(-distance)) / Double(2 * distance)
      let slope = zip(slopes[index], direction).reduce(0.0) { $0 + Double($1.0 * $1.1) }
      let size = slopes[index].reduce(0.0) { $0 + Double($1 * $1) }.squareRoot()
      #expect(abs(measured - slope) < 0.02 * max(1, size), "along \(name)")
    }
  }

  @Test(arguments: InstructionSet.available)
  func layersInBothDirections(_ isa: InstructionSet) throws {
    let golden = try Golden("lstm-layers")
    var run = GraphRun()
    let x = try run.input("x", golden.shape("x"), golden.floats("x"))
    func parameters(_ suffix: String) throws -> RecurrentParameters {
      func parameter(_ kind: String) throws -> Graph.Value {
        let name = "\(kind)_\(suffix)"
        return try run.parameter(name, golden.shape(name), golden.floats(name))
      }
      return RecurrentParameters(
        weights: try parameter("weight_ih"), recurrentWeights: try parameter("weight_hh"),
        bias: try parameter("bias_ih"))
    }
    let first = try run.graph.bidirectional(
      .lstm, x, forward: parameters("l0"), backward: parameters("l0_reverse"))
    let second = try run.graph.bidirectional(
      .lstm, first.outputs, forward: parameters("l1"), backward: parameters("l1_reverse"))
    let dx = try run.gradients(of: second.outputs, along: golden.floats("dy"), for: [x])
    let cell = try #require(second.state.cell)
    let values = try run.run(
      [second.outputs, second.state.hidden, cell] + dx, batch: 4, instructionSet: isa
    ).values
    for (name, value) in zip(["y", "hidden", "cell", "dx"], values) {
      #expect(deviation(value, from: try golden.floats(name)) < 1e-5, "\(name)")
    }
  }

  @Test(arguments: InstructionSet.available)
  func embedding(_ isa: InstructionSet) throws {
    let golden = try Golden("embedding")
    var run = GraphRun()
    let indices = try run.graph.input("indices", .int32, shape: Shape([4]))
    run.set(
      indices, try golden.integers("indices").map { Float(bitPattern: UInt32(bitPattern: $0)) })
    let weights = try run.parameter("weights", golden.shape("weights"), golden.floats("weights"))
    let y = try run.graph.embedding(indices, weights: weights)
    let dw = try run.gradients(of: y, along: golden.floats("dy"), for: [weights])
    for threads in [1, 3] {
      let values = try run.run([y] + dw, batch: 2, instructionSet: isa, threads: threads).values
      #expect(values[0] == (try golden.floats("y")))
      #expect(deviation(values[1], from: try golden.floats("dweights")) < 1e-6)
    }
  }

  @Test func indicesOutsideTheTableAreRefused() throws {
    let isa = try InstructionSet.preferred(forced: nil)
    var graph = Graph()
    let indices = try graph.input("words", .int32, shape: Shape([2]))
    let lengths = try graph.input("lengths", .int32, shape: .scalar)
    let table = try graph.parameter("table", shape: Shape([3, 2]), .ones)
    let weights = try graph.parameter("w", shape: Shape([2, 2]), .ones)
    let bias = try graph.parameter("b", shape: Shape([2]), .ones)
    let recurrent = try graph.parameter("u", shape: Shape([2, 2]), .ones)
    let y = try graph.recurrent(
      .simple(.relu), graph.embedding(indices, weights: table),
      RecurrentParameters(weights: weights, recurrentWeights: recurrent, bias: bias),
      lengths: lengths)
    let plan = try Plan(
      graph, outputs: [y.state.hidden],
      parameters: Parameters(graph, seed: 0, instructionSet: isa), maximumBatch: 2,
      instructionSet: isa)
    let execution = try plan.makeExecution(workers: WorkerPool(threadCount: 1))
    func failure(_ words: [Int32], _ lengths: [Int32]) -> RuntimeError? {
      do {
        try words.withUnsafeBytes { words in
          try lengths.withUnsafeBytes { try execution.run([words, $0], batch: 2) }
        }
        return nil
      } catch {
        return error as? RuntimeError
      }
    }
    #expect(failure([0, 1, 2, 2], [2, 0]) == nil)
    let word = failure([0, 1, 2, 3], [2, 0])
    #expect(word?.field == "words")
    #expect(word?.message.contains("0 to 2; came 3 in sample 1") == true)
    #expect(failure([0, 1, 2, -1], [2, 0])?.field == "words")
    #expect(failure([0, 1, 2, 2], [2, 3])?.field == "lengths")
  }
}
