// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The built-in plugin `dqn`: a network of action values learned in an environment.
struct DQNPlugin: PluginImplementation {
  let workers: WorkerPool
  let instructionSet: InstructionSet

  /// The plugin as the registry lists it.
  static func make(
    workers: WorkerPool, instructionSet: InstructionSet, limits: PluginLimits
  ) -> ModelPlugin {
    ModelPlugin(
      name: "dqn", version: "1.0.0", digest: "", isBuiltIn: true,
      abiVersion: HostServices.abiVersion,
      capabilities: [.inference, .training, .trainingWithoutDataSet],
      configurationSchema: DQNConfiguration.schema, limits: limits,
      implementation: DQNPlugin(workers: workers, instructionSet: instructionSet))
  }

  func validate(configuration: String, dataset: DataSetDescription?) throws(PluginError) {
    _ = try QNetwork(try DQNConfiguration(parsing: configuration).network)
  }

  func estimateMemory(
    configuration: String, dataset: DataSetDescription?
  ) throws(PluginError) -> MemoryEstimate {
    let configuration = try DQNConfiguration(parsing: configuration)
    let network = configuration.network
    let float = MemoryLayout<Float>.size
    let width = network.hidden.reduce(network.elementCount + network.actionCount, +)
    // No product overflows: every factor is bounded by the configuration's reader.
    let transition = 2 * network.elementCount * float + 9
    return MemoryEstimate(
      inferenceByteCount: float * (network.parameterCount + width * network.maxBatchSize),
      // Parameters of two networks, packed, with gradients and moments; values and gradients.
      trainingByteCount: float * (8 * network.parameterCount + 6 * width * configuration.batchSize)
        + configuration.replay.capacity * transition)
  }

  func makeModel(
    artifacts: [Artifact], configuration: String
  ) throws(PluginError) -> any ModelImplementation {
    try DQNModel(
      QNetwork.Description(try LearnedArtifacts.find(LearnedArtifacts.model, in: artifacts)),
      weights: try LearnedArtifacts.find(LearnedArtifacts.weights, in: artifacts),
      workers: workers, instructionSet: instructionSet)
  }

  func makeTrainer(
    configuration: String, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any TrainerImplementation {
    try DQNTrainer(
      configuration, seed: seed, workers: workers, instructionSet: instructionSet)
  }
}
