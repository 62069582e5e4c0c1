// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The built-in plugin `logistic-regression`: binary and multinomial, l1 and l2.
struct LogisticRegressionFamily: ModelFamily {
  static let name = "logistic-regression"
  static let schema = LogisticRegressionConfiguration.schema

  let workers: WorkerPool
  let instructionSet: InstructionSet

  func parse(_ json: JSONValue) throws(PluginError) -> LogisticRegressionConfiguration {
    try LogisticRegressionConfiguration(json)
  }

  func check(
    _ configuration: LogisticRegressionConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate {
    let target = configuration.table.target ?? ""
    try ClassLabels.check(target: target, in: dataset)
    let schema = try TableSchema(
      features: configuration.table.features, target: target, in: dataset)
    return .ofMatrix(schema, in: dataset, target: target, gramMatrices: 0)
  }

  func makeFit(
    _ configuration: LogisticRegressionConfiguration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit {
    try LogisticRegressionFit(
      configuration, dataset: dataset, workers: workers, instructionSet: instructionSet)
  }

  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation {
    let path = "model.json.model"
    return try LogisticRegressionModel(
      try FeatureEncoding(description["encoding"], path: "\(path).encoding"),
      names: try ClassNames(description["classes"], path: "\(path).classes"), weights: weights,
      maxBatchSize: try ServedBatch.read(description, path: path),
      instructionSet: instructionSet)
  }
}
