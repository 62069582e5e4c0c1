// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

struct TrainingSessionTests {
  /// Three steps of a whole network against PyTorch.
  @Test(arguments: InstructionSet.available)
  func agreesWithTheGoldenNetwork(_ isa: InstructionSet) throws {
    let golden = try Golden("network")
    var graph = Graph()
    let images = try graph.input("images", .uint8, shape: Shape([12, 12, 1]))
    let labels = try graph.input("labels", .int32, shape: .scalar)
    func parameter(_ name: String) throws -> Graph.Value {
      try graph.parameter(name, shape: golden.shape("start.\(name)"), .zeros)
    }
    var x = try graph.convert(images, scale: 1 / 255)
    for layer in ["conv1", "conv2"] {
      let (weights, bias) = (try parameter("\(layer).weights"), try parameter("\(layer).bias"))
      x = try graph.relu(graph.conv2d(x, weights: weights, bias: bias))
    }
    x = try graph.flatten(graph.maxPool2D(x, size: 2))
    let (w1, b1) = (try parameter("dense1.weights"), try parameter("dense1.bias"))
    x = try graph.relu(graph.dense(x, weights: w1, bias: b1))
    let (w2, b2) = (try parameter("dense2.weights"), try parameter("dense2.bias"))
    let loss = try graph.crossEntropy(graph.dense(x, weights: w2, bias: b2), labels: labels)

    let parameters = try Parameters(graph, seed: 0, instructionSet: isa)
    for entry in parameters.entries {
      try parameters.set(entry.name, to: golden.floats("start.\(entry.name)"))
    }
    let session = try TrainingSession(
      graph, loss: loss, optimizer: .sgd(learningRate: 0.1), parameters: parameters,
      maximumBatch: 8, seed: 0, workers: WorkerPool(threadCount: 2), instructionSet: isa)
    let pixels = try golden.integers("x").map { UInt8(truncatingIfNeeded: $0) }
    let classes = try golden.integers("labels")
    for expected in try golden.floats("losses") {
      let loss = try pixels.withUnsafeBytes { pixels in
        try classes.withUnsafeBytes { try session.step([pixels, $0], batch: 6) }
      }
      #expect(abs(loss - expected) < 1e-5)
    }
    for entry in parameters.entries {
      let values = try #require(parameters[entry.name])
      let off = deviation(values, from: try golden.floats("end.\(entry.name)"))
      #expect(off < 2e-5, "\(entry.name) is off by \(off)")
    }
  }

  @Test(arguments: InstructionSet.available, [Optimizer.adam(), .lamb()])
  func theBitsDoNotDependOnTheThreads(_ isa: InstructionSet, _ optimizer: Optimizer) throws {
    let network = try SmallNetwork()
    let data = SmallData()
    let states = try [1, 2, 7].map { threads in
      let session = try network.session(
        optimizer: optimizer, rules: GradientRules(l1: 1e-4, l2: 1e-4, clipping: .norm(0.5)),
        threads: threads, isa: isa)
      // The last batch is a short one.
      for range in [0..<16, 16..<32, 32..<39] {
        try data.with(range) { _ = try session.step($0, batch: range.count) }
      }
      return try session.encodeState()
    }
    expectSame(states[0], states[1])
    expectSame(states[0], states[2])
  }

  @Test(arguments: [
    Optimizer.sgd(learningRate: 0.01), .sgd(learningRate: 0.01, momentum: 0.9), .adam(), .adamW(),
    .adagrad(), .rmsProp(learningRate: 1e-3), .rmsProp(learningRate: 1e-3, momentum: 0.5), .lamb(),
  ])
  func restoringGoesOnWithTheSameBits(_ optimizer: Optimizer) throws {
    let network = try SmallNetwork()
    let data = SmallData()
    let whole = try network.session(optimizer: optimizer)
    var saved: [UInt8] = []
    for step in 0..<4 {
      try data.with(step * 16..<step * 16 + 16) { _ = try whole.step($0, batch: 16) }
      if step == 1 { saved = try whole.encodeState() }
    }
    let resumed = try network.session(optimizer: optimizer, threads: 2)
    try saved.withUnsafeBytes { try resumed.restoreState($0) }
    #expect(resumed.stepCount == 2)
    for step in 2..<4 {
      try data.with(step * 16..<step * 16 + 16) { _ = try resumed.step($0, batch: 16) }
    }
    expectSame(try whole.encodeState(), try resumed.encodeState())
    let hasMoved = try whole.encodeState() != saved
    #expect(hasMoved)
  }

  @Test func refusesForeignStatesAndIsUnchanged() throws {
    let network = try SmallNetwork()
    let session = try network.session()
    let before = try session.encodeState()
    var truncated = before
    truncated.removeLast()
    let other = try network.session(optimizer: .adamW()).encodeState()
    let parametersOnly = try session.parameters.encode(metadata: ["optimizer": "adam"])
    for state in [truncated, other, parametersOnly, []] {
      #expect(throws: RuntimeError.self) {
        try state.withUnsafeBytes { try session.restoreState($0) }
      }
    }
    expectSame(try session.encodeState(), before)
  }

  @Test func aStepAllocatesNothingAfterTheFirst() throws {
    let network = try SmallNetwork()
    let session = try network.session(threads: 2)
    try SmallData().with(0..<16) { inputs in
      for _ in 0..<3 { try session.step(inputs, batch: 16) }
      // Other tests use the heap at the same time, so it need not be still at once; a step that
      // kept anything would never leave it as it was.
      let isStill = try (0..<100).contains { _ in
        guard let before = heapBytesInUse() else { return true }
        try session.step(inputs, batch: 16)
        return heapBytesInUse() == before
      }
      #expect(isStill)
    }
  }

  @Test func learns() throws {
    let network = try SmallNetwork(dropout: 0)
    let session = try network.session(threads: 2)
    let data = SmallData(count: 16)
    let losses = try (0..<30).map { _ in try data.with(0..<16) { try session.step($0, batch: 16) } }
    let (first, last) = (losses[0], losses[29])
    #expect(last < 0.2 * first)
    // What training learned, a plan of its parameters knows: every label comes first.
    let plan = try session.makePlan(outputs: [network.probabilities, network.loss])
    let execution = try plan.makeExecution(workers: WorkerPool(threadCount: 1))
    try data.with(0..<16) { try execution.run($0, batch: 16) }
    let evaluated = execution.output(1).load(as: Float.self)
    #expect(evaluated.isFinite)
    #expect(session.output(0).count == 16 * 10 * 4)
  }

  @Test func dropoutIsDrawnAnewEachStepAndNotInInference() throws {
    let network = try SmallNetwork(dropout: 0.5)
    let data = SmallData(count: 16)
    func firstLoss(after steps: Int) throws -> Float {
      let session = try network.session()
      // A step size of nearly nothing, so that only the masks differ.
      session.learningRate = 1e-30
      return try data.with(0..<16) { inputs in
        for _ in 0..<steps { try session.step(inputs, batch: 16) }
        return try session.step(inputs, batch: 16)
      }
    }
    #expect(try firstLoss(after: 0) == firstLoss(after: 0))
    #expect(try firstLoss(after: 0) != firstLoss(after: 1))
    let plan = try network.session().makePlan(outputs: [network.loss])
    let execution = try plan.makeExecution(workers: WorkerPool(threadCount: 1))
    let losses = try (0..<2).map { _ in
      try data.with(0..<16) { try execution.run($0, batch: 16) }
      return execution.output(0).load(as: Float.self)
    }
    #expect(losses[0] == losses[1])
  }

  @Test func refusesInputsThatDoNotFit() throws {
    let session = try SmallNetwork().session(maximumBatch: 4)
    let before = try session.encodeState()
    let pixels = [UInt8](repeating: 0, count: 18 * 18 * 8)
    func error(
      batch: Int, pixelBytes: Int, labels: [Int32], inputs: Int = 2
    ) -> RuntimeError? {
      #expect(throws: RuntimeError.self) {
        try pixels.withUnsafeBytes { pixels in
          try labels.withUnsafeBytes { labels in
            let all = [UnsafeRawBufferPointer(rebasing: pixels[..<pixelBytes]), labels]
            try session.step(Array(all.prefix(inputs)), batch: batch)
          }
        }
      }
    }
    #expect(error(batch: 0, pixelBytes: 0, labels: [])?.field == "batch")
    #expect(error(batch: 5, pixelBytes: 5 * 324, labels: [0, 0, 0, 0, 0])?.field == "batch")
    #expect(error(batch: 2, pixelBytes: 647, labels: [0, 0])?.field == "images")
    #expect(error(batch: 2, pixelBytes: 648, labels: [0])?.field == "labels")
    #expect(error(batch: 2, pixelBytes: 648, labels: [0, 0], inputs: 1)?.field == "inputs")
    let label = error(batch: 2, pixelBytes: 648, labels: [3, 10])
    #expect(label?.field == "labels")
    #expect(label?.message.contains("10 in sample 1") == true)
    #expect(error(batch: 1, pixelBytes: 324, labels: [-1])?.field == "labels")
    expectSame(try session.encodeState(), before)
  }
}

/// Compares states without the difference that a failing `#expect` would compute, for hours.
private func expectSame(
  _ state: [UInt8], _ other: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
) {
  let isSame = state == other
  #expect(isSame, sourceLocation: sourceLocation)
}
