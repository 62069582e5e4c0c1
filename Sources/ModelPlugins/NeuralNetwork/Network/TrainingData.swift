// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The tensors of a data set that a configuration names, checked against each other.
struct TrainingData {
  let sample: Network.SampleType
  private let inputTensor: String
  private let labelTensor: String
  private let loss: LossChoice
  private let description: DataSetDescription

  /// Finds `train/` tensors, and checks `test/` tensors if there are any.
  ///
  /// - Throws: `.invalidArgument` that names the configuration's field and what the data set has.
  init(
    _ configuration: NetworkConfiguration, in description: DataSetDescription
  ) throws(PluginError) {
    inputTensor = configuration.inputTensor
    labelTensor = configuration.labelTensor
    loss = configuration.loss
    self.description = description
    let (inputs, labels) = try Self.tensors(
      of: "train", configuration, in: description)
    guard let count = inputs.shape.first, count >= 1 else {
      throw PluginError(
        field: "configuration.input_tensor",
        "expected at least one sample in \(inputs.name), came shape \(inputs.shape)")
    }
    sample = Network.SampleType(
      datatype: inputs.datatype, shape: Array(inputs.shape.dropFirst()))
    try Self.checkLabels(labels, samples: count, configuration)
    var others = Set(
      ["test"].filter { split in
        description.tensors.contains { $0.name.hasPrefix("\(split)/") }
      })
    if configuration.monitorSplit != "train" {
      guard
        description.tensors.contains(where: { $0.name.hasPrefix("\(configuration.monitorSplit)/") })
      else {
        throw PluginError(
          field: "configuration.monitor_split",
          "expected a split of the data set, came \(configuration.monitorSplit)")
      }
      others.insert(configuration.monitorSplit)
    }
    for split in others.sorted() {
      let (otherInputs, otherLabels) = try Self.tensors(of: split, configuration, in: description)
      guard otherInputs.datatype == inputs.datatype,
        otherInputs.shape.dropFirst() == inputs.shape.dropFirst(),
        otherLabels.datatype == labels.datatype,
        otherLabels.shape.dropFirst() == labels.shape.dropFirst()
      else {
        throw PluginError(
          field: "configuration.input_tensor",
          "expected the samples of \(split)/ as those of train/, \(inputs.datatype.rawValue)"
            + " \(inputs.shape.dropFirst()), came \(otherInputs.datatype.rawValue)"
            + " \(otherInputs.shape.dropFirst())")
      }
      try Self.checkLabels(otherLabels, samples: otherInputs.shape[0], configuration)
    }
  }

  /// The network's answer must be what the labels are like.
  func check(_ network: Network) throws(PluginError) {
    guard loss.labels != .classes, let labels = description["train/\(labelTensor)"] else {
      return
    }
    let target = Array(labels.shape.dropFirst())
    let expected = Extents.product(target)
    guard expected == Extents.product(network.answerShape) else {
      let last = network.configuration.layers.count - 1
      throw PluginError(
        field: "configuration.layers[\(last)]",
        "expected the last layer to give \(target), as the samples of \(labels.name) are; came"
          + " \(network.answerShape)")
    }
  }

  /// Samples of a split; nil when the data set has no such split.
  func samples(of split: String) -> Int? {
    description["\(split)/\(inputTensor)"]?.shape.first
  }

  private static func tensors(
    of split: String, _ configuration: NetworkConfiguration, in description: DataSetDescription
  ) throws(PluginError) -> (inputs: TensorSpecification, labels: TensorSpecification) {
    (
      try tensor("\(split)/\(configuration.inputTensor)", "input_tensor", in: description),
      try tensor("\(split)/\(configuration.labelTensor)", "label_tensor", in: description)
    )
  }

  private static func tensor(
    _ name: String, _ field: String, in description: DataSetDescription
  ) throws(PluginError) -> TensorSpecification {
    if let tensor = description[name] { return tensor }
    let names = description.tensors.prefix(16).map(\.name).joined(separator: ", ")
    throw PluginError(
      field: "configuration.\(field)",
      "expected a tensor \(name) in the data set, which has \(names.isEmpty ? "none" : names)")
  }

  private static func checkLabels(
    _ labels: TensorSpecification, samples: Int, _ configuration: NetworkConfiguration
  ) throws(PluginError) {
    let field = "configuration.label_tensor"
    guard labels.shape.first == samples else {
      throw PluginError(
        field: field, "expected \(samples) labels in \(labels.name), came shape \(labels.shape)")
    }
    let name = configuration.loss.type.rawValue
    let isInteger = LabelReader.integerTypes.contains(labels.datatype)
    switch configuration.loss.labels {
    case .classes:
      guard isInteger, Extents.product(labels.shape.dropFirst()) == 1 else {
        throw PluginError(
          field: field,
          "\(name) expects one integer a sample in \(labels.name), came"
            + " \(labels.datatype.rawValue) \(labels.shape)")
      }
    case .signs:
      guard isInteger || labels.datatype == .fp32 else {
        throw PluginError(
          field: field,
          "\(name) expects FP32 or integers in \(labels.name), came \(labels.datatype.rawValue)")
      }
    case .targets:
      guard labels.datatype == .fp32 else {
        throw PluginError(
          field: field, "\(name) expects FP32 in \(labels.name), came \(labels.datatype.rawValue)")
      }
    }
  }
}
