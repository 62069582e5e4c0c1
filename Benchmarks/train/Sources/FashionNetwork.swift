// SPDX-License-Identifier: Apache-2.0

import Runtime

/// The network of the benchmark: conv 3×3×32, relu, conv 3×3×64, relu, max-pool 2, dense 128, relu, dense 10.
struct FashionNetwork {
  let graph: Graph
  let logits: Graph.Value
  let loss: Graph.Value

  init() throws(RuntimeError) {
    var graph = Graph()
    let images = try graph.input("images", .uint8, shape: Shape([28, 28, 1]))
    let labels = try graph.input("labels", .int32, shape: .scalar)
    var x = try graph.convert(images, scale: 1 / 255)
    for (name, channels, filters) in [("conv1", 1, 32), ("conv2", 32, 64)] {
      let weights = try graph.parameter(
        "\(name).weights", shape: Shape([3, 3, channels, filters]),
        .heUniform(fanIn: 9 * channels))
      let bias = try graph.parameter("\(name).bias", shape: Shape([filters]), .zeros)
      x = try graph.relu(graph.conv2d(x, weights: weights, bias: bias))
    }
    x = try graph.flatten(graph.maxPool2D(x, size: 2))
    x = try graph.relu(Self.dense(&graph, "dense1", x, 12 * 12 * 64, 128))
    logits = try Self.dense(&graph, "dense2", x, 128, 10)
    loss = try graph.crossEntropy(logits, labels: labels)
    self.graph = graph
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
