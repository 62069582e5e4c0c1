// SPDX-License-Identifier: Apache-2.0

import Runtime

/// ResNet-18 (He et al., 2015) on images of 224×224, batch normalisations included.
struct ResNetCase: Case {
  private let work: PlanWork

  init(_ setting: Setting) throws {
    var network = Network()
    let images = try network.graph.input("x", shape: Shape([224, 224, 3]))
    var x = try network.convolution("stem", images, 3, 64, kernel: 7, stride: 2)
    x = try network.graph.relu(x)
    x = try network.graph.maxPool2D(x, size: 3, stride: 2, padding: .symmetric(1))
    var channels = 64
    for (stage, filters) in [64, 128, 256, 512].enumerated() {
      for block in 0..<2 {
        x = try network.block(
          "stage\(stage).block\(block)", x, channels, filters,
          stride: stage > 0 && block == 0 ? 2 : 1)
        channels = filters
      }
    }
    let features = try network.graph.globalAveragePool(x)
    let weights = try network.graph.parameter("dense.weights", shape: Shape([512, 1000]), .zeros)
    let bias = try network.graph.parameter("dense.bias", shape: Shape([1000]), .zeros)
    let y = try network.graph.dense(features, weights: weights, bias: bias)
    work = try PlanWork(network.graph, outputs: [y], batch: try setting.number("batch"), setting)
  }

  func run() throws { try work.run() }

  func results() -> [UnsafeRawBufferPointer] { work.results() }
}

/// The graph in the making.
private struct Network {
  var graph = Graph()

  /// A convolution without bias, then a batch normalisation.
  mutating func convolution(
    _ name: String, _ x: Graph.Value, _ channels: Int, _ filters: Int, kernel: Int, stride: Int
  ) throws(RuntimeError) -> Graph.Value {
    let weights = try graph.parameter(
      "\(name).weights", shape: Shape([kernel, kernel, channels, filters]), .zeros)
    let y = try graph.conv2d(
      x, weights: weights, stride: stride, padding: .symmetric(kernel / 2))
    let shape = try Shape([filters])
    return try graph.batchNormalization(
      y, scale: graph.parameter("\(name).scale", shape: shape, .zeros),
      offset: graph.parameter("\(name).offset", shape: shape, .zeros),
      runningMean: graph.parameter("\(name).mean", shape: shape, .zeros, isTrainable: false),
      runningVariance: graph.parameter(
        "\(name).variance", shape: shape, .zeros, isTrainable: false))
  }

  /// Two convolutions beside a shortcut.
  mutating func block(
    _ name: String, _ x: Graph.Value, _ channels: Int, _ filters: Int, stride: Int
  ) throws(RuntimeError) -> Graph.Value {
    var y = try graph.relu(
      convolution("\(name).conv1", x, channels, filters, kernel: 3, stride: stride))
    y = try convolution("\(name).conv2", y, filters, filters, kernel: 3, stride: 1)
    let shortcut =
      channels == filters
      ? x
      : try convolution("\(name).shortcut", x, channels, filters, kernel: 1, stride: stride)
    return try graph.relu(graph.add(y, shortcut))
  }
}
