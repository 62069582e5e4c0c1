// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// Ten Adam steps of whole networks, each taken from PyTorch's parameters and moments of that step.
struct TenStepTests {
  /// A network whose parameters have the names of its golden file.
  struct Network: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// From the input and a parameter by name to logits.
    let build:
      @Sendable (inout Graph, Graph.Value, (String) throws -> Graph.Value) throws -> Graph.Value
  }

  static let networks = [
    Network(testDescription: "cnn") { graph, x, p in
      // A graph's mutation cannot be shared with the closure that adds parameters.
      let names = ["conv1", "conv2", "dense1", "dense2"]
      let layers = try names.map { (try p("\($0).weights"), try p("\($0).bias")) }
      var y = x
      for (weights, bias) in layers.prefix(2) {
        y = try graph.relu(graph.conv2d(y, weights: weights, bias: bias))
      }
      y = try graph.flatten(graph.maxPool2D(y, size: 2))
      y = try graph.relu(graph.dense(y, weights: layers[2].0, bias: layers[2].1))
      return try graph.dense(y, weights: layers[3].0, bias: layers[3].1)
    },
    Network(testDescription: "lstm") { graph, x, p in
      let parameters = RecurrentParameters(
        weights: try p("lstm.weights"), recurrentWeights: try p("lstm.recurrent_weights"),
        bias: try p("lstm.bias"))
      let hidden = try graph.recurrent(.lstm, x, parameters).state.hidden
      return try graph.dense(hidden, weights: p("dense2.weights"), bias: p("dense2.bias"))
    },
    Network(testDescription: "mlp") { graph, x, p in
      var y = x
      for layer in ["dense0", "dense1"] {
        y = try graph.relu(graph.dense(y, weights: p("\(layer).weights"), bias: p("\(layer).bias")))
      }
      return try graph.dense(y, weights: p("dense2.weights"), bias: p("dense2.bias"))
    },
  ]

  @Test(arguments: networks, InstructionSet.available)
  func eachStepIsPyTorchs(_ network: Network, _ isa: InstructionSet) throws {
    let golden = try Golden("training/\(network.testDescription)")
    var graph = Graph()
    let shape = try golden.shape("x").dimensions
    let x = try graph.input("x", shape: Shape(Array(shape.dropFirst())))
    let labels = try graph.input("labels", .int32, shape: .scalar)
    let prefix = "0.parameters."
    var parameters: [String: Graph.Value] = [:]
    for name in golden.file.entries.map(\.name).sorted() where name.hasPrefix(prefix) {
      let own = String(name.dropFirst(prefix.count))
      parameters[own] = try graph.parameter(own, shape: golden.shape(name), .zeros)
    }
    let logits = try network.build(&graph, x) { try #require(parameters[$0]) }
    let loss = try graph.crossEntropy(logits, labels: labels)

    let memory = try Parameters(graph, seed: 0, instructionSet: isa)
    let session = try TrainingSession(
      graph, loss: loss, optimizer: .adam(learningRate: 0.01), parameters: memory,
      maximumBatch: shape[0], seed: 0, workers: WorkerPool(threadCount: 2), instructionSet: isa)
    let (inputs, classes) = (try golden.floats("x"), try golden.integers("labels"))
    let losses = try golden.floats("losses")
    #expect(losses.count == 10)
    for step in losses.indices {
      let state = try state(of: golden, step: step, parameters.keys.sorted())
      try state.withUnsafeBytes { try session.restoreState($0) }
      let found = try inputs.withUnsafeBytes { inputs in
        try classes.withUnsafeBytes { try session.step([inputs, $0], batch: shape[0]) }
      }
      #expect(abs(found - losses[step]) < 1e-5, "loss of step \(step)")
      for name in parameters.keys.sorted() {
        let before = try golden.floats("\(step).parameters.\(name)")
        let after = try #require(memory[name])
        let update = zip(after, before).map { $0 - $1 }
        let off = largestDifference(update, try golden.floats("\(step).updates.\(name)"))
        #expect(off < 1e-6, "update \(step) of \(name) is off by \(off)")
        let gradient = try golden.floats("\(step).gradients.\(name)")
        let size = gradient.reduce(0) { max($0, abs($1)) }
        let wrong = largestDifference(try #require(session.gradient(of: name)), gradient)
        #expect(wrong <= 1e-5 * size, "gradient \(step) of \(name) is off by \(wrong) of \(size)")
      }
    }
  }

  /// A session's state as `restoreState` reads it.
  private func state(of golden: Golden, step: Int, _ names: [String]) throws -> [UInt8] {
    var tensors: [(item: SafetensorsWriter.Item, elements: [Float])] = []
    for name in names {
      for kind in ["parameters", "optimizer.first_moment", "optimizer.second_moment"] {
        let entry = "\(kind).\(name)"
        tensors.append(
          (
            try .init(entry, .fp32, golden.shape("\(step).\(entry)")),
            try golden.floats("\(step).\(entry)")
          ))
      }
    }
    let counter = [UInt64(step).littleEndian]
    var items: [(item: SafetensorsWriter.Item, bytes: UnsafeRawBufferPointer)] = []
    func add(_ index: Int) throws -> [UInt8] {
      guard index < tensors.count else {
        return try counter.withUnsafeBytes { bytes in
          try SafetensorsWriter.encode(
            items + [(.init("step", .uint64, .scalar), bytes)], metadata: ["optimizer": "adam"])
        }
      }
      return try tensors[index].elements.withUnsafeBytes { bytes in
        items.append((tensors[index].item, bytes))
        return try add(index + 1)
      }
    }
    return try add(0)
  }

  private func largestDifference(_ values: [Float], _ expected: [Float]) -> Float {
    guard values.count == expected.count else { return .infinity }
    return zip(values, expected).reduce(0) { worst, pair in
      let difference = abs(pair.0 - pair.1)
      return difference.isNaN ? .infinity : max(worst, difference)
    }
  }
}
