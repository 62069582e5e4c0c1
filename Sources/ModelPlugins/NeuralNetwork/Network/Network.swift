// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A configured network over samples of one type, as a graph: what training and serving both
/// compile.
struct Network {
  let configuration: NetworkConfiguration
  /// One sample, as the data set has it.
  let sample: SampleType
  /// One answer, without the batch dimension.
  let answerShape: [Int]
  /// Elements of all parameters together.
  let parameterCount: Int
  /// Elements of all values of one sample together.
  let valueCount: Int

  let graph: Graph
  /// Logits of a classifier, predictions of a regression.
  let output: Graph.Value
  /// What is served: probabilities or predictions.
  let answer: Graph.Value
  /// The mean over the batch; nil in a network that only serves.
  let loss: Graph.Value?

  /// The element type and shape of one sample.
  struct SampleType: Sendable, Hashable {
    var datatype: DataType
    var shape: [Int]
  }

  /// What a network's graph is for.
  enum Purpose {
    case serving
    case training
  }

  /// Builds the graph, layer by layer.
  ///
  /// - Throws: `.invalidArgument` with the path of the layer, and of its field where there is one,
  ///   whose shapes do not fit.
  init(
    _ configuration: NetworkConfiguration, sample: SampleType, for purpose: Purpose
  ) throws(PluginError) {
    var builder = try NetworkBuilder(configuration, sample: sample)
    for (index, layer) in configuration.layers.enumerated() {
      try builder.add(layer, at: index)
    }
    try Self.check(configuration, output: builder.shape)
    self.configuration = configuration
    self.sample = sample
    output = builder.value
    answerShape = builder.shape
    do throws(RuntimeError) {
      switch (purpose, configuration.loss) {
      case (.training, .crossEntropy):
        let labels = try builder.graph.input(
          configuration.labelTensor, .int32, shape: .scalar)
        loss = try builder.graph.crossEntropy(output, labels: labels)
        answer = output
      case (.training, .meanSquaredError):
        let targets = try builder.graph.input(
          configuration.labelTensor, .fp32, shape: Shape(builder.shape))
        loss = try builder.graph.meanSquaredError(output, targets: targets)
        answer = output
      case (.serving, .crossEntropy):
        loss = nil
        answer = try builder.graph.softmax(output)
      case (.serving, .meanSquaredError):
        loss = nil
        answer = output
      }
    } catch {
      throw PluginError(error, field: "configuration.loss")
    }
    graph = builder.graph
    parameterCount = builder.parameterCount
    valueCount = builder.valueCount
  }

  /// Classes of a classifier.
  var classCount: Int { answerShape.first ?? 1 }

  /// Checks that what the last layer gives is what the loss takes.
  private static func check(
    _ configuration: NetworkConfiguration, output shape: [Int]
  ) throws(PluginError) {
    guard configuration.loss == .crossEntropy else { return }
    let last = configuration.layers.count - 1
    let path = "configuration.layers[\(last)]"
    guard shape.count == 1, shape[0] >= 2 else {
      throw PluginError(
        field: path,
        "expected the last layer to give one number for each of 2 or more classes, because loss is"
          + " cross_entropy; came shape \(shape)")
    }
    switch configuration.layers[last] {
    case .dense(_, _, .some(let activation)), .activation(let activation):
      throw PluginError(
        field: "\(path).activation",
        "expected none on the last layer, because cross_entropy takes logits and serving applies"
          + " softmax; came \"\(activation.rawValue)\"")
    default: break
    }
  }
}

extension PluginError {
  /// A failure of the runtime, told of a field.
  init(_ error: RuntimeError, field: String) {
    switch error.code {
    case .tooLarge: self.init(.resourceExhausted, "\(field): \(error.message)")
    default: self.init(field: field, error.message)
    }
  }

  /// A failure of the runtime that no configuration or file is to blame for.
  init(_ error: RuntimeError) {
    switch error.code {
    case .tooLarge: self.init(.resourceExhausted, error.description)
    case .unsupported: self.init(.unimplemented, error.description)
    default: self.init(.internal, error.description)
    }
  }
}
