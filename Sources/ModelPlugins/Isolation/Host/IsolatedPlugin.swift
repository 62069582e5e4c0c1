// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A plugin in a worker process of its own; the worker ends with the object.
final class IsolatedPlugin: PluginImplementation {
  let supervisor: WorkerSupervisor
  let limits: PluginLimits
  let configuration: IsolationConfiguration

  private init(
    supervisor: WorkerSupervisor, limits: PluginLimits, configuration: IsolationConfiguration
  ) {
    self.supervisor = supervisor
    self.limits = limits
    self.configuration = configuration
  }

  deinit {
    supervisor.stop()
  }

  /// Loads a library in a worker.
  ///
  /// - Throws: as `PluginRegistry.load` says; `.failedPrecondition` when there is no worker to start
  ///   or no sandbox to be had.
  static func load(
    _ image: PluginImage, threadCount: Int, instructionSet: InstructionSet,
    limits: PluginLimits, configuration: IsolationConfiguration,
    log: @escaping @Sendable (LogLevel, String) -> Void
  ) throws(PluginError) -> ModelPlugin {
    let request = LoadRequest(
      label: String(image.digest.prefix(12)), threadCount: configuration.threadCount ?? threadCount,
      instructionSet: instructionSet.name,
      maxMemoryByteCount: configuration.maxMemoryByteCount, limits: limits)
    var limits = limits
    if configuration.maxMemoryByteCount > 0 {
      limits.maxModelByteCount = min(limits.maxModelByteCount, configuration.maxMemoryByteCount)
    }
    let supervisor = try WorkerSupervisor(
      image: image, request: request, configuration: configuration, log: log)
    let plugin = try supervisor.start()
    log(
      .info,
      "plugin \(plugin.name) \(plugin.version) is isolated: \(plugin.sandbox.joined(separator: "; "))"
    )
    return ModelPlugin(
      name: plugin.name, version: plugin.version, digest: image.digest, isBuiltIn: false,
      isolation: .isolated, abiVersion: plugin.abiVersion, capabilities: plugin.capabilities,
      configurationSchema: plugin.configurationSchema, limits: limits,
      implementation: IsolatedPlugin(
        supervisor: supervisor, limits: limits, configuration: configuration),
      sandbox: plugin.sandbox)
  }

  func validate(configuration: String, dataset: DataSetDescription?) throws(PluginError) {
    let request = ConfigurationRequest(configuration: configuration, dataset: dataset)
    _ = try supervisor.process(for: nil).ask(.validate, request.encoded)
  }

  func estimateMemory(
    configuration: String, dataset: DataSetDescription?
  ) throws(PluginError) -> MemoryEstimate {
    let request = ConfigurationRequest(configuration: configuration, dataset: dataset)
    return try MemoryEstimate(
      decoding: supervisor.process(for: nil).ask(.estimateMemory, request.encoded))
  }

  func makeModel(
    artifacts: [Artifact], configuration: String
  ) throws(PluginError) -> any ModelImplementation {
    let (number, model) = try supervisor.makeModel(
      artifacts: artifacts, configuration: configuration)
    return IsolatedModel(number, model, of: self)
  }

  /// Training runs in a worker process of the job, never in the server's.
  func makeTrainer(
    configuration: String, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any TrainerImplementation {
    throw PluginError(
      .unimplemented, "an isolated plugin trains in the worker process of a job, not here")
  }
}
