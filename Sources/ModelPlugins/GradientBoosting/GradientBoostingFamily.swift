// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The built-in plugin `gradient-boosting`: trees grown leaf by leaf on gradient histograms, each
/// round on what the rounds before it left over.
struct GradientBoostingFamily: ModelFamily {
  static let name = "gradient-boosting"
  static let schema = GradientBoostingConfiguration.schema

  let workers: WorkerPool
  let instructionSet: InstructionSet

  func parse(_ json: JSONValue) throws(PluginError) -> GradientBoostingConfiguration {
    try GradientBoostingConfiguration(json)
  }

  func check(
    _ configuration: GradientBoostingConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate {
    _ = try configuration.task(in: dataset)
    var estimate = try MemoryEstimate.ofTrees(configuration.table, in: dataset, bytesOfCell: 1)
    let columns = try TableSchema(
      features: configuration.table.features, target: configuration.table.target, in: dataset
    ).columnCount
    let histograms =
      Extents.product([columns + 8, TreeKernels.slotCount * 8, configuration.rules.maxLeaves])
      ?? Int.max / 4
    estimate.trainingByteCount += min(histograms, Int.max / 4)
    return estimate
  }

  func makeFit(
    _ configuration: GradientBoostingConfiguration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit {
    try GradientBoostingFit(
      configuration, seed: seed, dataset: dataset, workers: workers,
      instructionSet: instructionSet)
  }

  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation {
    try .trees(description, weights, workers: workers, instructionSet: instructionSet)
  }
}
