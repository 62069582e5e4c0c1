// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The built-in plugin `decision-tree`: one tree for classes or numbers.
struct DecisionTreeFamily: ModelFamily {
  static let name = "decision-tree"
  static let schema = DecisionTreeConfiguration.schema

  let workers: WorkerPool
  let instructionSet: InstructionSet

  func parse(_ json: JSONValue) throws(PluginError) -> DecisionTreeConfiguration {
    try DecisionTreeConfiguration(json)
  }

  func check(
    _ configuration: DecisionTreeConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate {
    _ = try configuration.settings.task(in: dataset)
    return try .ofTrees(configuration.settings.table, in: dataset, bytesOfCell: 2)
  }

  func makeFit(
    _ configuration: DecisionTreeConfiguration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit {
    try DecisionTreeFit(
      configuration, seed: seed, dataset: dataset, workers: workers,
      instructionSet: instructionSet)
  }

  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation {
    try .trees(description, weights, workers: workers, instructionSet: instructionSet)
  }
}

extension ModelImplementation where Self == TreeModel {
  /// A model of trees from its file.
  ///
  /// - Throws: `.invalidArgument` or `.dataLoss` for what makes no model.
  static func trees(
    _ description: JSONValue, _ weights: TensorBundle, workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(PluginError) -> any ModelImplementation {
    let model = try TreeModelDescription(description, path: "model.json.model")
    let ensemble = try TreeEnsemble(
      weights, width: model.leafWidth, isCategorical: model.isCategorical)
    return TreeModel(model, ensemble, workers: workers, instructionSet: instructionSet)
  }
}

extension MemoryEstimate {
  /// What coding a table and growing trees on it takes.
  static func ofTrees(
    _ configuration: TableConfiguration, in dataset: DataSetDescription, bytesOfCell: Int
  ) throws(PluginError) -> MemoryEstimate {
    let schema = try TableSchema(
      features: configuration.features, target: configuration.target, in: dataset)
    let rows = schema.sources.first.flatMap { dataset["train/\($0.name)"]?.shape.first } ?? 0
    // Saturating: an estimate of too much is too much.
    let codes = Extents.product([rows, schema.columnCount + 64, bytesOfCell]) ?? Int.max / 4
    return MemoryEstimate(trainingByteCount: min(codes, Int.max / 4))
  }
}
