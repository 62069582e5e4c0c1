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
    /// Samples come as augmentation makes them, if there is any: FP32, and mixed labels as shares of all classes.
    case training
    /// Samples come as the data set has them, to be measured by the loss.
    case evaluation
  }

  /// Builds the graph, layer by layer.
  ///
  /// - Throws: `.invalidArgument` with the path of the layer, and of its field where there is one,
  ///   whose shapes do not fit.
  init(
    _ configuration: NetworkConfiguration, sample: SampleType, for purpose: Purpose
  ) throws(PluginError) {
    try Self.checkAugmentation(configuration, sample)
    let isAugmented = purpose == .training && !configuration.augmentation.isIdentity
    var builder = try NetworkBuilder(
      configuration,
      sample: isAugmented ? SampleType(datatype: .fp32, shape: sample.shape) : sample)
    for (index, layer) in configuration.layers.enumerated() {
      try builder.add(layer, at: index)
    }
    try Self.check(configuration, output: builder.shape)
    self.configuration = configuration
    self.sample = sample
    output = builder.value
    answerShape = builder.shape
    do throws(RuntimeError) {
      (loss, answer) =
        switch purpose {
        case .training, .evaluation:
          (
            try Self.addLoss(
              configuration, isMixed: isAugmented && configuration.augmentation.mixup > 0,
              to: &builder), output
          )
        case .serving:
          (nil, try Self.addAnswer(configuration.loss.answer, to: &builder))
        }
    } catch {
      throw PluginError(error, field: "configuration.loss")
    }
    graph = builder.graph
    parameterCount = builder.parameterCount
  }

  /// The loss that the configuration names, against an input of labels.
  ///
  /// - Parameter isMixed: classes come as each one's share, in which weights and smoothing are contained.
  private static func addLoss(
    _ configuration: NetworkConfiguration, isMixed: Bool, to builder: inout NetworkBuilder
  ) throws(RuntimeError) -> Graph.Value {
    let (choice, name) = (configuration.loss, configuration.labelTensor)
    guard let loss = choice.elementLoss ?? (isMixed ? .crossEntropy : nil) else {
      let labels = try builder.graph.input(name, .int32, shape: .scalar)
      return try builder.graph.crossEntropy(
        builder.value, labels: labels, smoothing: Float(choice.labelSmoothing),
        weights: choice.classWeights.map(Float.init))
    }
    let targets = try builder.graph.input(name, .fp32, shape: Shape(builder.shape))
    let isOfLogarithms = choice.type == .kullbackLeibler || choice.type == .crossEntropy
    let predictions =
      isOfLogarithms ? try builder.graph.logSoftmax(builder.value) : builder.value
    return try builder.graph.loss(loss, predictions, targets: targets)
  }

  /// What samples are decides what can be done to them.
  private static func checkAugmentation(
    _ configuration: NetworkConfiguration, _ sample: SampleType
  ) throws(PluginError) {
    guard !configuration.augmentation.isIdentity else { return }
    if case .embedding = configuration.layers.first {
      throw PluginError(
        field: "configuration.augmentation", "expected none, because the samples are indices")
    }
    do throws(RuntimeError) {
      try configuration.augmentation.validate(for: Shape(sample.shape))
    } catch {
      let field = error.field.map { ".\($0)" } ?? ""
      throw PluginError(error, field: "configuration.augmentation\(field)")
    }
  }

  private static func addAnswer(
    _ answer: LossChoice.Answer, to builder: inout NetworkBuilder
  ) throws(RuntimeError) -> Graph.Value {
    switch answer {
    case .softmax: try builder.graph.softmax(builder.value)
    case .sigmoid: try builder.graph.sigmoid(builder.value)
    case .none: builder.value
    }
  }

  /// Classes of a classifier.
  var classCount: Int { answerShape.first ?? 1 }

  /// Checks that what the last layer gives is what the loss takes.
  private static func check(
    _ configuration: NetworkConfiguration, output shape: [Int]
  ) throws(PluginError) {
    guard configuration.loss.answer != .none else { return }
    let last = configuration.layers.count - 1
    let path = "configuration.layers[\(last)]"
    let loss = configuration.loss.type.rawValue
    if configuration.loss.answer == .softmax, !(shape.count == 1 && shape[0] >= 2) {
      throw PluginError(
        field: path,
        "expected the last layer to give one number for each of 2 or more classes, because loss is"
          + " \(loss); came shape \(shape)")
    }
    switch configuration.layers[last] {
    case .dense(_, _, .some(let activation)), .activation(let activation):
      throw PluginError(
        field: "\(path).activation",
        "expected none on the last layer, because \(loss) takes logits and serving applies"
          + " \(configuration.loss.answer); came \"\(activation.rawValue)\"")
    default: break
    }
    let weights = configuration.loss.classWeights.count
    guard weights == 0 || weights == shape[0] else {
      throw PluginError(
        field: "configuration.loss.class_weights",
        "expected \(shape[0]) numbers, one for each class; came \(weights)")
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
