// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// A network with everything that a narrow plan treats in its own way: bytes scaled on entry, a normalisation folded,
/// pooling between products, a residual, a shape change, a dense layer with an odd K, one answer in the middle.
struct ResidualNetwork {
  var graph = Graph()
  let pooled: Graph.Value
  let logits: Graph.Value
  let probabilities: Graph.Value
  let parameters: Parameters
  let isa: InstructionSet

  init(isa: InstructionSet) throws {
    self.isa = isa
    let images = try graph.input("images", .uint8, shape: Shape([9, 9, 1]))
    var x = try graph.convert(images, scale: 1 / 255)
    x = try Self.conv(&graph, "conv1", x, channels: 1, filters: 8, kernel: 3)
    let eight = try Shape([8])
    x = try graph.batchNormalization(
      x, scale: graph.parameter("scale", shape: eight, .ones),
      offset: graph.parameter("offset", shape: eight, .zeros),
      runningMean: graph.parameter("mean", shape: eight, .zeros, isTrainable: false),
      runningVariance: graph.parameter("variance", shape: eight, .ones, isTrainable: false))
    x = try graph.relu(x)
    x = try graph.maxPool2D(x, size: 3, stride: 2, padding: .symmetric(1))
    let shortcut = try Self.conv(&graph, "shortcut", x, channels: 8, filters: 12, kernel: 1)
    var y = try graph.relu(Self.conv(&graph, "conv2", x, channels: 8, filters: 12, kernel: 3))
    y = try Self.conv(&graph, "conv3", y, channels: 12, filters: 12, kernel: 3)
    x = try graph.relu(graph.add(shortcut, y))
    y = try graph.tanh(Self.conv(&graph, "conv4", x, channels: 12, filters: 3, kernel: 3))
    pooled = try graph.globalAveragePool(x)
    let flat = try graph.flatten(y)
    let features = graph.type(of: flat).shape[0]
    logits = try graph.dense(
      flat,
      weights: graph.parameter(
        "dense", shape: Shape([features, 10]), .glorotUniform(fanIn: features, fanOut: 10)),
      bias: graph.parameter("dense.bias", shape: Shape([10]), .zeros))
    probabilities = try graph.softmax(logits)
    parameters = try Parameters(graph, seed: 5, instructionSet: isa)
    try parameters.set("mean", to: (0..<8).map { Float($0) * 0.02 - 0.05 })
    try parameters.set("variance", to: (0..<8).map { 0.3 + Float($0) * 0.1 })
  }

  private static func conv(
    _ graph: inout Graph, _ name: String, _ x: Graph.Value, channels: Int, filters: Int,
    kernel: Int
  ) throws -> Graph.Value {
    let weights = try graph.parameter(
      name, shape: Shape([kernel, kernel, channels, filters]),
      .heNormal(fanIn: kernel * kernel * channels))
    let bias = try graph.parameter("\(name).bias", shape: Shape([filters]), .ones)
    return try graph.conv2d(x, weights: weights, bias: bias, padding: .same)
  }

  /// Reproducible images.
  static func images(_ count: Int) -> [UInt8] {
    let random = Philox(key: 9, stream: 1)
    return (0..<count * 81).map { UInt8(truncatingIfNeeded: random.word(at: UInt64($0))) }
  }

  func calibration(samples: Int, workers: WorkerPool) throws -> ActivationRanges {
    let calibration = try Calibration(
      graph, outputs: [probabilities], parameters: parameters, maximumBatch: samples,
      workers: workers, instructionSet: isa)
    try Self.images(samples).withUnsafeBytes { bytes in
      try calibration.observe([bytes], batch: samples)
      try calibration.count([bytes], batch: samples)
    }
    return calibration.result
  }

  func run(
    _ precision: Precision, samples: Int, threads: Int = 1, outputs: [Graph.Value]? = nil,
    isa other: InstructionSet? = nil
  ) throws -> [[Float]] {
    let plan = try Plan(
      graph, outputs: outputs ?? [logits, pooled], parameters: parameters, maximumBatch: 16,
      instructionSet: other ?? isa, precision: precision)
    let execution = try plan.makeExecution(workers: WorkerPool(threadCount: threads))
    return try Self.images(samples).withUnsafeBytes { bytes in
      try execution.run([bytes], batch: samples)
      return plan.outputs.indices.map {
        Array(execution.output($0).assumingMemoryBound(to: Float.self))
      }
    }
  }
}

@Suite struct NarrowPlanTests {
  /// The largest difference as a part of the largest value.
  private static func distance(_ a: [Float], _ b: [Float]) -> Float {
    let largest = b.map(abs).max() ?? 1
    return zip(a, b).map { abs($0 - $1) }.max().map { $0 / largest } ?? .infinity
  }

  @Test func narrowAnswersAreNearThoseOfSinglePrecision() throws {
    let network = try ResidualNetwork(isa: .preferred())
    let workers = try WorkerPool(threadCount: 1)
    let exact = try network.run(.fp32, samples: 12)
    let bf16 = try network.run(.bf16, samples: 12)
    let ranges = try network.calibration(samples: 12, workers: workers)
    let int8 = try network.run(.int8(ranges), samples: 12)
    for (index, values) in exact.enumerated() {
      let (half, byte) = (
        Self.distance(bf16[index], values), Self.distance(int8[index], values)
      )
      #expect(half > 0 && half < 0.02, "bf16 \(half)")
      #expect(byte > 0 && byte < 0.06, "int8 \(byte)")
    }
  }

  @Test func quantisedAnswersHaveTheSameBitsOnEveryInstructionSetAndThreadCount() throws {
    let network = try ResidualNetwork(isa: .preferred())
    let ranges = try network.calibration(samples: 8, workers: WorkerPool(threadCount: 1))
    // The last layer's scaling is exact arithmetic too; averages in single precision are not.
    let expected = try network.run(.int8(ranges), samples: 5, outputs: [network.logits])
    for isa in InstructionSet.available {
      for threads in [1, 3] {
        let answer = try network.run(
          .int8(ranges), samples: 5, threads: threads, outputs: [network.logits], isa: isa)
        // tanh is of the instruction set; a level more or less at its borders is what remains.
        #expect(Self.distance(answer[0], expected[0]) < (isa == network.isa ? 1e-9 : 0.01))
      }
    }
  }

  @Test(arguments: [Precision.bf16])
  func aSampleHasTheSameBitsInAnyBatchAndAtAnyThreadCount(precision: Precision) throws {
    for isa in InstructionSet.available {
      let network = try ResidualNetwork(isa: isa)
      let whole = try network.run(precision, samples: 9)
      #expect(try network.run(precision, samples: 9, threads: 3) == whole)
      let first = try network.run(precision, samples: 1)
      #expect(Array(whole[0].prefix(10)) == first[0])
    }
  }

  @Test func whatFlowsBetweenProductsIsNarrowAndAdditionsAreMerged() throws {
    let network = try ResidualNetwork(isa: .preferred())
    let ranges = try network.calibration(samples: 4, workers: WorkerPool(threadCount: 1))
    let fused = network.graph.fused(keeping: [network.logits], foldsNormalizations: true)
    let narrow = try fused.narrowed(to: .int8(ranges), keeping: [network.logits])
    #expect(
      narrow.nodes.map(\.operation.name) == [
        "int8_conv2d", "max_pool2d", "int8_conv2d", "int8_conv2d", "int8_conv2d", "int8_conv2d",
        "reshape", "int8_dense",
      ])
    let halves = try fused.narrowed(to: .bf16, keeping: [network.logits])
    #expect(!halves.nodes.contains { $0.operation is Add || $0.operation is MaxPool2D })
    #expect(halves.nodes.prefix(2).map(\.operation.name) == ["convert", "quantize"])
    #expect(fused.nodes.contains { $0.operation is Add })
  }

  @Test func whatWasNotCalibratedStaysInSinglePrecision() throws {
    let network = try ResidualNetwork(isa: .preferred())
    let exact = try network.run(.fp32, samples: 3)
    #expect(try network.run(.int8(ActivationRanges()), samples: 3) == exact)
    let some = ActivationRanges(["conv3": 0...4])
    let answer = try network.run(.int8(some), samples: 3)
    #expect(answer != exact)
    #expect(Self.distance(answer[0], exact[0]) < 0.06)
  }

  @Test func anAnswerThatIsUsedFurtherIsNotRounded() throws {
    let network = try ResidualNetwork(isa: .preferred())
    let conv = try #require(network.graph.nodes.first { $0.operation is Conv2D }).results[0]
    let ranges = try network.calibration(samples: 4, workers: WorkerPool(threadCount: 1))
    let exact = try network.run(.fp32, samples: 2, outputs: [conv, network.logits])
    let answer = try network.run(.int8(ranges), samples: 2, outputs: [conv, network.logits])
    // 256 levels would be farther apart than this on most elements.
    let distances = zip(exact[0], answer[0]).map { abs($0 - $1) }
    #expect(distances.reduce(0, +) / Float(distances.count) < 0.01)
    #expect(Set(answer[0]).count > 256)
  }

  @Test func aQuarterOfTheMemoryForWeights() throws {
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([256]))
    let weights = try graph.parameter("w", shape: Shape([256, 512]), .heNormal(fanIn: 256))
    let y = try graph.dense(x, weights: weights)
    func bytes(_ precision: Precision) throws -> Int {
      try Plan.memory(
        of: graph, outputs: [y], maximumBatch: 1, instructionSet: .preferred(),
        precision: precision
      ).resident
    }
    let whole = try bytes(.fp32)
    #expect(try bytes(.bf16) < whole * 6 / 10)
    #expect(try bytes(.int8(ActivationRanges(["w": -1...1]))) < whole * 3 / 10)
  }
}

@Suite struct CalibrationTests {
  @Test func zeroHasALevelOfItsOwn() {
    #expect(Quantization(covering: 0...2.55) == Quantization(scale: 2.55 / 255, zeroPoint: 0))
    #expect(Quantization(covering: 1...2).zeroPoint == 0)
    #expect(Quantization(covering: -3...(-1)).zeroPoint == 255)
    #expect([127, 128].contains(Quantization(covering: -1...1).zeroPoint))
    #expect(Quantization(covering: 0...0) == Quantization(scale: 1, zeroPoint: 0))
  }

  @Test func rareOutliersAreCutOffWhereTheRestGains() throws {
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([8]))
    let y = try graph.dense(
      x, weights: graph.parameter("w", shape: Shape([8, 2]), .heNormal(fanIn: 8)))
    let isa = try InstructionSet.preferred()
    let calibration = try Calibration(
      graph, outputs: [y], parameters: Parameters(graph, seed: 1, instructionSet: isa),
      maximumBatch: 2048, workers: WorkerPool(threadCount: 1), instructionSet: isa)
    var values = (0..<2048 * 8).map { Float($0 % 997) / 997 }
    values[100] = 1.6
    try values.withUnsafeBytes { bytes in
      try calibration.observe([bytes], batch: 2048)
      #expect(calibration.result.byWeights["w"] == 0...1.6)
      try calibration.count([bytes], batch: 2048)
    }
    let range = try #require(calibration.result.byWeights["w"])
    #expect(range.lowerBound == 0)
    #expect(range.upperBound >= 0.9 && range.upperBound < 1.6)
  }

  @Test func aNetworkWithoutProductsIsRefused() throws {
    var graph = Graph()
    let x = try graph.input("x", shape: Shape([8]))
    let y = try graph.relu(x)
    let isa = try InstructionSet.preferred()
    #expect(throws: RuntimeError.self) {
      try Calibration(
        graph, outputs: [y], parameters: Parameters(graph, seed: 1, instructionSet: isa),
        maximumBatch: 1, workers: WorkerPool(threadCount: 1), instructionSet: isa)
    }
  }
}
