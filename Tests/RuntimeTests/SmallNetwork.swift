// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// A convolutional network small enough for a test and with every kind of step: conv, relu, pooling,
/// batch normalisation, dropout, a dense layer whose K is cut, cross-entropy.
struct SmallNetwork {
  var graph = Graph()
  let logits: Graph.Value
  let probabilities: Graph.Value
  let loss: Graph.Value

  init(dropout: Float = 0.25) throws {
    let images = try graph.input("images", .uint8, shape: Shape([18, 18, 1]))
    let labels = try graph.input("labels", .int32, shape: .scalar)
    var x = try graph.convert(images, scale: 1 / 255)
    x = try Self.conv(&graph, "conv1", x, channels: 1, filters: 16)
    x = try Self.norm(&graph, "norm", x, channels: 16)
    x = try Self.conv(&graph, "conv2", x, channels: 16, filters: 40)
    x = try graph.maxPool2D(x, size: 2)
    x = try graph.dropout(x, rate: dropout)
    x = try graph.flatten(x)
    x = try Self.dense(&graph, "dense1", x, 9 * 9 * 40, 24)
    x = try graph.relu(x)
    x = try graph.dropout(x, rate: dropout)
    logits = try Self.dense(&graph, "dense2", x, 24, 10)
    probabilities = try graph.softmax(logits)
    loss = try graph.crossEntropy(logits, labels: labels)
  }

  func session(
    optimizer: Optimizer = .adam(), rules: GradientRules = GradientRules(),
    maximumBatch: Int = 16, threads: Int = 1,
    isa: InstructionSet? = nil
  ) throws -> TrainingSession {
    let isa = try isa ?? InstructionSet.preferred(forced: nil)
    return try TrainingSession(
      graph, loss: loss, outputs: [logits], optimizer: optimizer, rules: rules,
      parameters: Parameters(graph, seed: 1, instructionSet: isa), maximumBatch: maximumBatch,
      seed: 42, workers: WorkerPool(threadCount: threads), instructionSet: isa)
  }

  private static func conv(
    _ graph: inout Graph, _ name: String, _ x: Graph.Value, channels: Int, filters: Int
  ) throws -> Graph.Value {
    let weights = try graph.parameter(
      "\(name).weights", shape: Shape([3, 3, channels, filters]), .heNormal(fanIn: 9 * channels))
    let bias = try graph.parameter("\(name).bias", shape: Shape([filters]), .zeros)
    return try graph.relu(graph.conv2d(x, weights: weights, bias: bias, padding: .same))
  }

  private static func norm(
    _ graph: inout Graph, _ name: String, _ x: Graph.Value, channels: Int
  ) throws -> Graph.Value {
    let shape = try Shape([channels])
    return try graph.batchNormalization(
      x, scale: graph.parameter("\(name).scale", shape: shape, .ones),
      offset: graph.parameter("\(name).offset", shape: shape, .zeros),
      runningMean: graph.parameter("\(name).mean", shape: shape, .zeros, isTrainable: false),
      runningVariance: graph.parameter("\(name).variance", shape: shape, .ones, isTrainable: false))
  }

  private static func dense(
    _ graph: inout Graph, _ name: String, _ x: Graph.Value, _ inputs: Int, _ units: Int
  ) throws -> Graph.Value {
    let weights = try graph.parameter(
      "\(name).weights", shape: Shape([inputs, units]),
      .glorotUniform(fanIn: inputs, fanOut: units))
    let bias = try graph.parameter("\(name).bias", shape: Shape([units]), .zeros)
    return try graph.dense(x, weights: weights, bias: bias)
  }
}

/// Images and labels made of random numbers, and the bytes of a part of them.
final class SmallData {
  private let images: [UInt8]
  private let labels: [Int32]
  private let sampleBytes = 18 * 18

  init(count: Int = 64) {
    let random = Philox(key: 77, stream: 3)
    images = (0..<count * sampleBytes).map {
      UInt8(truncatingIfNeeded: random.word(at: UInt64($0)))
    }
    let classes = Philox(key: 77, stream: 4)
    labels = (0..<count).map { Int32(classes.integer(at: UInt64($0), below: 10)) }
  }

  func with<R>(
    _ range: Range<Int>, _ body: ([UnsafeRawBufferPointer]) throws -> R
  ) throws -> R {
    try images.withUnsafeBytes { images in
      try labels.withUnsafeBytes { labels in
        let pixels = images[range.lowerBound * sampleBytes..<range.upperBound * sampleBytes]
        let classes = labels[range.lowerBound * 4..<range.upperBound * 4]
        return try body([.init(rebasing: pixels), .init(rebasing: classes)])
      }
    }
  }
}
