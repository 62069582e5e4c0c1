// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The built-in plugin `random-forest`: the mean of trees, each grown on a sample of the rows, each
/// of its nodes on a sample of the columns.
struct RandomForestFamily: ModelFamily {
  static let name = "random-forest"
  static let schema = RandomForestConfiguration.schema

  let workers: WorkerPool
  let instructionSet: InstructionSet

  func parse(_ json: JSONValue) throws(PluginError) -> RandomForestConfiguration {
    try RandomForestConfiguration(json)
  }

  func check(
    _ configuration: RandomForestConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate {
    _ = try configuration.settings.task(in: dataset)
    return try .ofTrees(configuration.settings.table, in: dataset, bytesOfCell: 2)
  }

  func makeFit(
    _ configuration: RandomForestConfiguration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit {
    try RandomForestFit(
      configuration, seed: seed, dataset: dataset, workers: workers,
      instructionSet: instructionSet)
  }

  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation {
    try .trees(description, weights, workers: workers, instructionSet: instructionSet)
  }
}
