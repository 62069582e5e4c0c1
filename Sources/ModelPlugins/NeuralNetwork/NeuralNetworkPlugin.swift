// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The built-in plugin `neural-network`: feed-forward networks of declared layers.
struct NeuralNetworkPlugin: PluginImplementation {
  let workers: WorkerPool
  let instructionSet: InstructionSet

  /// The plugin as the registry lists it.
  static func make(
    workers: WorkerPool, instructionSet: InstructionSet, limits: PluginLimits
  ) -> ModelPlugin {
    ModelPlugin(
      name: "neural-network", version: "1.0.0", digest: "", isBuiltIn: true,
      abiVersion: HostServices.abiVersion, capabilities: [.inference, .training],
      configurationSchema: NetworkConfiguration.schema, limits: limits,
      implementation: NeuralNetworkPlugin(workers: workers, instructionSet: instructionSet))
  }

  func validate(configuration: String, dataset: DataSetDescription?) throws(PluginError) {
    let configuration = try NetworkConfiguration(parsing: configuration)
    guard let dataset else { return }
    _ = try network(configuration, dataset)
  }

  func estimateMemory(
    configuration: String, dataset: DataSetDescription?
  ) throws(PluginError) -> MemoryEstimate {
    let configuration = try NetworkConfiguration(parsing: configuration)
    // Without the data nothing is known of the shapes.
    guard let dataset else { return MemoryEstimate() }
    let network = try network(configuration, dataset)
    let serving = try Network(configuration, sample: network.sample, for: .serving)
    guard let loss = network.loss else {
      throw PluginError(.internal, "a network for serving cannot be trained")
    }
    do throws(RuntimeError) {
      let inference = try Plan.memory(
        of: serving.graph, outputs: [serving.answer], maximumBatch: configuration.maxBatchSize,
        instructionSet: instructionSet)
      let training = try TrainingSession.memory(
        of: network.graph, loss: loss, outputs: [network.output],
        optimizer: configuration.optimizer.optimizer, rules: configuration.rules,
        maximumBatch: configuration.batchSize, instructionSet: instructionSet)
      return MemoryEstimate(
        inferenceByteCount: inference.total(threads: workers.threadCount),
        trainingByteCount: training.total(threads: workers.threadCount)
          + AugmentedBatches.byteCount(
            network, batchSize: configuration.batchSize, threads: workers.threadCount))
    } catch {
      throw PluginError(error, field: "configuration")
    }
  }

  func makeModel(
    artifacts: [Artifact], configuration: String
  ) throws(PluginError) -> any ModelImplementation {
    try withExtendedLifetime(artifacts) { () throws(PluginError) in
      let (description, weights) = try Self.files(of: artifacts)
      return try NeuralNetworkModel(
        description, weights: weights, workers: workers, instructionSet: instructionSet)
    }
  }

  func quantize(
    _ request: QuantizationRequest, isCancelled: @Sendable () -> Bool
  ) throws(PluginError) -> QuantizedModel {
    try withExtendedLifetime(request) { () throws(PluginError) in
      let (description, weights) = try Self.files(of: request.artifacts)
      return try NetworkQuantizer(
        description, weights: weights, workers: workers, instructionSet: instructionSet
      ).run(request, isCancelled: isCancelled)
    }
  }

  /// The two files that serving needs; `model.json` was written from the checked configuration.
  private static func files(
    of artifacts: [Artifact]
  ) throws(PluginError) -> (NetworkDescription, weights: UnsafeRawBufferPointer) {
    func bytes(_ name: String) throws(PluginError) -> UnsafeRawBufferPointer {
      guard let artifact = artifacts.first(where: { $0.name == name }) else {
        throw PluginError(.failedPrecondition, "the model version has no artifact \(name)")
      }
      return artifact.bytes
    }
    let text = String(decoding: try bytes(NetworkDescription.artifactName), as: UTF8.self)
    return (
      try NetworkDescription(parsing: text), try bytes(NetworkDescription.weightsArtifactName)
    )
  }

  func makeTrainer(
    configuration: String, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any TrainerImplementation {
    let configuration = try NetworkConfiguration(parsing: configuration)
    return try NeuralNetworkTrainer(
      try network(configuration, dataset.description), seed: seed, dataset: dataset,
      workers: workers, instructionSet: instructionSet)
  }

  private func network(
    _ configuration: NetworkConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> Network {
    let data = try TrainingData(configuration, in: dataset)
    let network = try Network(configuration, sample: data.sample, for: .training)
    try data.check(network)
    return network
  }
}
