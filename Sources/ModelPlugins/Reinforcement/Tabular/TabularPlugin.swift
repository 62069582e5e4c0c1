// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The built-in plugins `q-learning` and `sarsa`: a table of action values learned in an environment.
struct TabularPlugin: PluginImplementation {
  let rule: TabularRule

  /// The plugin as the registry lists it.
  static func make(_ rule: TabularRule, limits: PluginLimits) -> ModelPlugin {
    ModelPlugin(
      name: rule.rawValue, version: "1.0.0", digest: "", isBuiltIn: true,
      abiVersion: HostServices.abiVersion,
      capabilities: [.inference, .training, .trainingWithoutDataSet],
      configurationSchema: TabularConfiguration.schema(rule.rawValue), limits: limits,
      implementation: TabularPlugin(rule: rule))
  }

  func validate(configuration: String, dataset: DataSetDescription?) throws(PluginError) {
    _ = try TabularConfiguration(parsing: configuration)
  }

  func estimateMemory(
    configuration: String, dataset: DataSetDescription?
  ) throws(PluginError) -> MemoryEstimate {
    let configuration = try TabularConfiguration(parsing: configuration)
    let count = configuration.stateCount * configuration.actionCount
    return MemoryEstimate(
      inferenceByteCount: count * 12 + configuration.stateCount * 8,
      trainingByteCount: count * 8 * 2)
  }

  func makeModel(
    artifacts: [Artifact], configuration: String
  ) throws(PluginError) -> any ModelImplementation {
    try TabularModel(
      TabularModel.Description(
        LearnedArtifacts.find(LearnedArtifacts.model, in: artifacts), rule: rule),
      weights: LearnedArtifacts.find(LearnedArtifacts.weights, in: artifacts))
  }

  func makeTrainer(
    configuration: String, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any TrainerImplementation {
    try TabularTrainer(rule, configuration: configuration, seed: seed)
  }
}
