// SPDX-License-Identifier: Apache-2.0

import Runtime

/// A network trained here on Fashion-MNIST and its test pictures classified in every precision.
///
/// Results: the parts of the test pictures that are classified rightly in fp32, bf16 and int8, then those that get
/// the class of fp32 in bf16 and in int8.
struct NarrowAccuracyCase: Case {
  private let measured: UnsafeMutableBufferPointer<Float>

  /// Samples of a training step and of a run.
  private static let batch = 64

  init(_ setting: Setting) throws {
    var graph = Graph()
    let images = try graph.input("images", .uint8, shape: Shape([28, 28, 1]))
    let labels = try graph.input("labels", .int32, shape: .scalar)
    let logits = try Self.network(try setting.text("network"), &graph, images)
    let session = try TrainingSession(
      graph, loss: try graph.crossEntropy(logits, labels: labels), optimizer: .adam(),
      parameters: Parameters(graph, seed: 1, instructionSet: setting.instructionSet),
      maximumBatch: Self.batch, seed: 1, workers: setting.workers,
      instructionSet: setting.instructionSet)
    let train = (
      images: UnsafeRawBufferPointer(try setting.tensor("train.images")),
      labels: UnsafeRawBufferPointer(try setting.tensor("train.labels"))
    )
    for _ in 0..<(try setting.number("epochs")) {
      for (first, count) in Self.batches(train.labels.count / 4) {
        _ = try session.step(
          [
            Self.rows(train.images, 784, first, count), Self.rows(train.labels, 4, first, count),
          ], batch: count)
      }
    }
    let calibration = try Calibration(
      graph, outputs: [logits], parameters: session.parameters, maximumBatch: Self.batch,
      workers: setting.workers, instructionSet: setting.instructionSet)
    for counts in [false, true] {
      for (first, count) in Self.batches(1024) {
        let input = [Self.rows(train.images, 784, first, count)]
        if counts {
          try calibration.count(input, batch: count)
        } else {
          try calibration.observe(input, batch: count)
        }
      }
    }
    let test = UnsafeRawBufferPointer(try setting.tensor("test.images"))
    let expected = Array(try setting.tensor("test.labels").bindMemory(to: Int32.self))
    let classes = try [Precision.fp32, .bf16, .int8(calibration.result)].map { precision in
      let plan = try Plan(
        graph, outputs: [logits], parameters: session.parameters, maximumBatch: Self.batch,
        instructionSet: setting.instructionSet, precision: precision)
      return try Self.classes(plan.makeExecution(workers: setting.workers), test)
    }
    func part(_ a: [Int32], _ b: [Int32]) -> Float {
      Float(zip(a, b).count { $0 == $1 }) / Float(b.count)
    }
    measured = try floats(5)
    _ = measured.update(
      fromContentsOf: classes.map { part($0, expected) }
        + classes.dropFirst().map { part($0, classes[0]) })
  }

  func run() throws {}

  func results() -> [UnsafeRawBufferPointer] { [UnsafeRawBufferPointer(measured)] }

  private static func batches(_ count: Int) -> [(first: Int, count: Int)] {
    stride(from: 0, to: count, by: batch).map { ($0, min(batch, count - $0)) }
  }

  private static func rows(
    _ bytes: UnsafeRawBufferPointer, _ size: Int, _ first: Int, _ count: Int
  ) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[first * size..<(first + count) * size])
  }

  private static func classes(
    _ execution: PlanExecution, _ images: UnsafeRawBufferPointer
  ) throws -> [Int32] {
    var classes: [Int32] = []
    for (first, count) in batches(images.count / 784) {
      try execution.run([rows(images, 784, first, count)], batch: count)
      let scores = execution.output(0).bindMemory(to: Float.self)
      for row in 0..<count {
        let best = (0..<10).max { scores[row * 10 + $0] < scores[row * 10 + $1] }
        classes.append(Int32(best ?? 0))
      }
    }
    return classes
  }

  /// The networks of bench-train.
  private static func network(
    _ kind: String, _ graph: inout Graph, _ images: Graph.Value
  ) throws -> Graph.Value {
    var x = try graph.convert(images, scale: 1 / 255)
    func dense(_ name: String, _ inputs: Int, _ units: Int) throws {
      let weights = try graph.parameter(
        "\(name).weights", shape: Shape([inputs, units]),
        .glorotUniform(fanIn: inputs, fanOut: units))
      let bias = try graph.parameter("\(name).bias", shape: Shape([units]), .zeros)
      x = try graph.dense(x, weights: weights, bias: bias)
    }
    switch kind {
    case "cnn":
      for (name, channels, filters) in [("conv1", 1, 32), ("conv2", 32, 64)] {
        let weights = try graph.parameter(
          "\(name).weights", shape: Shape([3, 3, channels, filters]),
          .heUniform(fanIn: 9 * channels))
        let bias = try graph.parameter("\(name).bias", shape: Shape([filters]), .zeros)
        x = try graph.relu(graph.conv2d(x, weights: weights, bias: bias))
      }
      x = try graph.flatten(graph.maxPool2D(x, size: 2))
      try dense("dense1", 12 * 12 * 64, 128)
      x = try graph.relu(x)
      try dense("dense2", 128, 10)
    case "lstm":
      let rows = try graph.reshape(x, to: Shape([28, 28]))
      let parameters = RecurrentParameters(
        weights: try graph.parameter(
          "lstm.weights", shape: Shape([28, 512]), .fanInUniform(fanIn: 128)),
        recurrentWeights: try graph.parameter(
          "lstm.recurrent_weights", shape: Shape([128, 512]), .fanInUniform(fanIn: 128)),
        bias: try graph.parameter("lstm.bias", shape: Shape([512]), .zeros))
      x = try graph.recurrent(.lstm, rows, parameters).state.hidden
      try dense("dense", 128, 10)
    default:
      x = try graph.flatten(x)
      try dense("dense1", 784, 512)
      x = try graph.relu(x)
      try dense("dense2", 512, 256)
      x = try graph.relu(x)
      try dense("dense3", 256, 10)
    }
    return x
  }
}
