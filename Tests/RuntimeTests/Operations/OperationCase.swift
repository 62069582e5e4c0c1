// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// An operation enrolled in the gradient suite: how to build it from the tensors of its golden file.
struct OperationCase: Sendable, CustomTestStringConvertible {
  let golden: String
  /// Names in the golden file of the parameters that the operation takes after x.
  let parameters: [String]
  /// Names of those that follow and have no gradient.
  let constants: [String]
  /// Names of batched INT32 inputs that come last.
  let indices: [String]
  /// Whether central differences say something at the golden file's x.
  let isSmooth: Bool
  let build: @Sendable (inout Graph, Graph.Value, [Graph.Value]) throws -> Graph.Value

  var testDescription: String { golden }

  init(
    _ golden: String, parameters: [String] = [], constants: [String] = [],
    indices: [String] = [], isSmooth: Bool = true,
    _ build: @escaping @Sendable (inout Graph, Graph.Value, [Graph.Value]) throws -> Graph.Value
  ) {
    self.golden = golden
    self.parameters = parameters
    self.constants = constants
    self.indices = indices
    self.isSmooth = isSmooth
    self.build = build
  }

  static func conv2d(_ golden: String, stride: Int = 1, _ padding: Padding) -> OperationCase {
    OperationCase(golden, parameters: ["weights", "bias"]) { graph, x, p in
      try graph.conv2d(x, weights: p[0], bias: p[1], stride: stride, padding: padding)
    }
  }

  static func activation(_ golden: String, _ activation: Activation) -> OperationCase {
    OperationCase(golden) { graph, x, _ in try graph.activate(x, activation) }
  }

  static let all: [OperationCase] = layers + general

  private static let layers: [OperationCase] = [
    .conv2d("conv2d-valid", .valid),
    .conv2d("conv2d-same-stride2", stride: 2, .same),
    .conv2d("conv2d-symmetric", .symmetric(2)),
    .conv2d("conv2d-one-channel", .valid),
    OperationCase("dense", parameters: ["weights", "bias"]) { graph, x, p in
      try graph.dense(x, weights: p[0], bias: p[1])
    },
    OperationCase("max-pool") { graph, x, _ in try graph.maxPool2D(x, size: 2) },
    OperationCase("max-pool-overlapping") { graph, x, _ in
      try graph.maxPool2D(x, size: 3, stride: 2, padding: .symmetric(1))
    },
    OperationCase("average-pool") { graph, x, _ in try graph.averagePool2D(x, size: 2) },
    OperationCase("average-pool-padded") { graph, x, _ in
      try graph.averagePool2D(x, size: 3, stride: 2, padding: .symmetric(1))
    },
    OperationCase("relu") { graph, x, _ in try graph.relu(x) },
    OperationCase("sigmoid") { graph, x, _ in try graph.sigmoid(x) },
    OperationCase("tanh") { graph, x, _ in try graph.tanh(x) },
    .activation("leaky-relu", .leakyRelu), .activation("elu", .elu), .activation("gelu", .gelu),
    .activation("gelu-tanh", .geluTanh), .activation("silu", .silu),
    .activation("softplus", .softplus), .activation("relu6", .relu6),
    .activation("hard-sigmoid", .hardSigmoid), .activation("hard-swish", .hardSwish),
    .activation("hard-tanh", .hardTanh),
    OperationCase("layer-norm", parameters: ["scale", "offset"]) { graph, x, p in
      try graph.layerNormalization(x, scale: p[0], offset: p[1])
    },
    OperationCase("rms-norm", parameters: ["scale"]) { graph, x, p in
      try graph.rmsNormalization(x, scale: p[0])
    },
    OperationCase("global-average-pool") { graph, x, _ in try graph.globalAveragePool(x) },
    OperationCase("conv1d", parameters: ["weights", "bias"]) { graph, x, p in
      try graph.conv1d(x, weights: p[0], bias: p[1], stride: 2)
    },
    OperationCase("slice") { graph, x, _ in try graph.slice(x, axis: 0, 1..<3) },
    OperationCase("concatenate") { graph, x, _ in
      try graph.concatenate(
        [x, graph.slice(x, axis: -1, 2..<5), graph.slice(x, axis: 1, 0..<1)], axis: -1)
    },
    OperationCase("softmax") { graph, x, _ in try graph.softmax(x) },
    OperationCase("log-softmax") { graph, x, _ in try graph.logSoftmax(x) },
    OperationCase("batch-norm", parameters: ["scale", "offset"]) { graph, x, p in
      let channels = graph.type(of: p[0]).shape
      let mean = try graph.parameter("mean", shape: channels, .zeros, isTrainable: false)
      let variance = try graph.parameter("variance", shape: channels, .ones, isTrainable: false)
      return try graph.batchNormalization(
        x, scale: p[0], offset: p[1], runningMean: mean, runningVariance: variance)
    },
    OperationCase(
      "batch-norm-frozen", constants: ["scale", "offset", "running_mean", "running_variance"]
    ) { graph, x, p in
      try graph.batchNormalization(
        x, scale: p[0], offset: p[1], runningMean: p[2], runningVariance: p[3], isFrozen: true)
    },
  ]
}
