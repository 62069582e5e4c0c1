// SPDX-License-Identifier: Apache-2.0

import Runtime

/// A network of the benchmark, over Fashion-MNIST.
struct FashionNetwork {
  /// Which of them.
  enum Kind: String, CaseIterable {
    /// conv 3×3×32, relu, conv 3×3×64, relu, max-pool 2, dense 128, relu, dense 10.
    case cnn
    /// An LSTM of 128 units over the 28 rows, dense 10.
    case lstm
    /// dense 512, relu, dense 256, relu, dense 10.
    case mlp
  }

  let graph: Graph
  let logits: Graph.Value
  let loss: Graph.Value

  init(_ kind: Kind) throws(RuntimeError) {
    var graph = Graph()
    let images = try graph.input("images", .uint8, shape: Shape([28, 28, 1]))
    let labels = try graph.input("labels", .int32, shape: .scalar)
    let x = try graph.convert(images, scale: 1 / 255)
    logits =
      switch kind {
      case .cnn: try Self.convolutional(&graph, x)
      case .lstm: try Self.recurrent(&graph, x)
      case .mlp: try Self.feedForward(&graph, x)
      }
    loss = try graph.crossEntropy(logits, labels: labels)
    self.graph = graph
  }

  private static func convolutional(
    _ graph: inout Graph, _ images: Graph.Value
  ) throws(RuntimeError) -> Graph.Value {
    var x = images
    for (name, channels, filters) in [("conv1", 1, 32), ("conv2", 32, 64)] {
      let weights = try graph.parameter(
        "\(name).weights", shape: Shape([3, 3, channels, filters]),
        .heUniform(fanIn: 9 * channels))
      let bias = try graph.parameter("\(name).bias", shape: Shape([filters]), .zeros)
      x = try graph.relu(graph.conv2d(x, weights: weights, bias: bias))
    }
    x = try graph.flatten(graph.maxPool2D(x, size: 2))
    x = try graph.relu(dense(&graph, "dense1", x, 12 * 12 * 64, 128))
    return try dense(&graph, "dense2", x, 128, 10)
  }

  private static func recurrent(
    _ graph: inout Graph, _ images: Graph.Value
  ) throws(RuntimeError) -> Graph.Value {
    let (units, rows) = (128, try graph.reshape(images, to: Shape([28, 28])))
    let parameters = RecurrentParameters(
      weights: try graph.parameter(
        "lstm.weights", shape: Shape([28, 4 * units]), .fanInUniform(fanIn: units)),
      recurrentWeights: try graph.parameter(
        "lstm.recurrent_weights", shape: Shape([units, 4 * units]), .fanInUniform(fanIn: units)),
      bias: try graph.parameter("lstm.bias", shape: Shape([4 * units]), .zeros))
    let state = try graph.recurrent(.lstm, rows, parameters).state
    return try dense(&graph, "dense", state.hidden, units, 10)
  }

  private static func feedForward(
    _ graph: inout Graph, _ images: Graph.Value
  ) throws(RuntimeError) -> Graph.Value {
    var x = try graph.flatten(images)
    x = try graph.relu(dense(&graph, "dense1", x, 784, 512))
    x = try graph.relu(dense(&graph, "dense2", x, 512, 256))
    return try dense(&graph, "dense3", x, 256, 10)
  }

  private static func dense(
    _ graph: inout Graph, _ name: String, _ x: Graph.Value, _ inputs: Int, _ units: Int
  ) throws(RuntimeError) -> Graph.Value {
    let weights = try graph.parameter(
      "\(name).weights", shape: Shape([inputs, units]),
      .glorotUniform(fanIn: inputs, fanOut: units))
    let bias = try graph.parameter("\(name).bias", shape: Shape([units]), .zeros)
    return try graph.dense(x, weights: weights, bias: bias)
  }
}
