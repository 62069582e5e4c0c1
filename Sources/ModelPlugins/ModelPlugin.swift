// SPDX-License-Identifier: Apache-2.0

/// A registered plugin: a family of models that can be served, trained or both.
///
/// It stays valid for as long as the process lives; a new build is another `ModelPlugin` with
/// another digest.
public final class ModelPlugin: Sendable {
  /// What a plugin can do.
  public enum Capability: String, Sendable, Hashable, CaseIterable {
    case inference
    case training
    /// With `training`: it trains without a data set, for example in an environment.
    case trainingWithoutDataSet = "training_without_data_set"
  }

  /// The plugin's name, `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
  public let name: String
  /// The plugin's own version.
  public let version: String
  /// SHA-256 of its file in hexadecimal; empty for a built-in plugin.
  public let digest: String
  /// Whether it is part of this executable.
  public let isBuiltIn: Bool
  /// Where its code runs; in process for a built-in plugin.
  public let isolation: PluginIsolation
  /// The version of the plugin ABI that it was built with, for example `1.0`.
  public let abiVersion: String
  /// What it can do.
  public let capabilities: Set<Capability>
  /// The JSON Schema of its configuration.
  public let configurationSchema: String
  /// What stands between an isolated plugin and the machine, one line for each means, with what this
  /// kernel lacks; empty in process.
  public let sandbox: [String]

  /// Whether a training needs a data set; if not, it takes none.
  public var needsDataSet: Bool { !capabilities.contains(.trainingWithoutDataSet) }

  /// The memory that one loaded model may take by the plugin's estimate, in bytes.
  public var maxModelByteCount: Int { limits.maxModelByteCount }

  let limits: PluginLimits
  let implementation: any PluginImplementation

  init(
    name: String, version: String, digest: String, isBuiltIn: Bool,
    isolation: PluginIsolation = .inProcess, abiVersion: String, capabilities: Set<Capability>,
    configurationSchema: String, limits: PluginLimits, implementation: any PluginImplementation,
    sandbox: [String] = []
  ) {
    self.name = name
    self.version = version
    self.digest = digest
    self.isBuiltIn = isBuiltIn
    self.isolation = isolation
    self.abiVersion = abiVersion
    self.capabilities = capabilities
    self.configurationSchema = configurationSchema
    self.sandbox = sandbox
    self.limits = limits
    self.implementation = implementation
  }

  /// Checks a configuration, and against a data set when there is one, without doing any work.
  ///
  /// - Throws: `.invalidArgument` with a violation for each field that is wrong, by its path:
  ///   `configuration.layers[2].units`.
  public func validate(
    configuration: String, dataset: DataSetDescription?
  ) throws(PluginError) {
    try checkSize(configuration)
    try implementation.validate(configuration: configuration, dataset: dataset)
  }

  /// Says how much memory a configuration will take.
  ///
  /// - Throws: as `validate` does.
  public func estimateMemory(
    configuration: String, dataset: DataSetDescription?
  ) throws(PluginError) -> MemoryEstimate {
    try checkSize(configuration)
    return try implementation.estimateMemory(configuration: configuration, dataset: dataset)
  }

  /// Loads a model of a version's artifacts, which stay alive as long as the model does.
  ///
  /// - Throws: `.unimplemented` without the inference capability, `.resourceExhausted` before
  ///   anything is taken where the plugin's estimate is beyond ``maxModelByteCount``,
  ///   `.invalidArgument` for a configuration or artifacts that do not make a model, and what the
  ///   plugin reports.
  public func makeModel(
    artifacts: [Artifact], configuration: String
  ) throws(PluginError) -> PluginModel {
    guard capabilities.contains(.inference) else {
      throw PluginError(.unimplemented, "plugin \(name) \(version) does not serve models")
    }
    try checkSize(configuration)
    try checkMemory(try estimateForLoading(configuration))
    let model = try implementation.makeModel(artifacts: artifacts, configuration: configuration)
    try checkMemory(model.memoryByteCount)
    return try PluginModel(plugin: self, implementation: model)
  }

  /// What a model of the configuration will take; 0 where the plugin cannot tell without a data set.
  private func estimateForLoading(_ configuration: String) throws(PluginError) -> Int {
    guard maxModelByteCount < .max else { return 0 }
    do throws(PluginError) {
      return try implementation.estimateMemory(configuration: configuration, dataset: nil)
        .inferenceByteCount
    } catch {
      // A worker that died of the question is a reason; a plugin that has no answer is none.
      guard error.reason == nil else { throw error }
      return 0
    }
  }

  private func checkMemory(_ byteCount: Int) throws(PluginError) {
    guard byteCount <= maxModelByteCount else {
      throw PluginError(
        .resourceExhausted,
        "expected a model of at most \(maxModelByteCount) bytes of memory, came a configuration of"
          + " \(name) that takes \(byteCount)", reason: .overMemoryLimit)
    }
  }

  /// Prepares a training run over a data set, which stays alive as long as the trainer does.
  ///
  /// - Parameter dataset: `.none` for a plugin that takes none.
  /// - Throws: `.unimplemented` without the training capability, `.invalidArgument` for a data set
  ///   that is missing or not wanted, and as `validate` does.
  public func makeTrainer(
    configuration: String, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> PluginTrainer {
    guard capabilities.contains(.training) else {
      throw PluginError(.unimplemented, "plugin \(name) \(version) does not train models")
    }
    try checkSize(configuration)
    guard dataset.description.tensors.isEmpty != needsDataSet else {
      throw PluginError(field: "dataset", dataSetExpectation)
    }
    let trainer = try implementation.makeTrainer(
      configuration: configuration, seed: seed, dataset: dataset)
    return try PluginTrainer(plugin: self, implementation: trainer)
  }

  /// What to say where a data set is missing or not wanted.
  public var dataSetExpectation: String {
    needsDataSet
      ? "expected a data set, because \(name) trains on one; came none"
      : "expected no data set, because \(name) trains without one"
  }

  private func checkSize(_ configuration: String) throws(PluginError) {
    let size = configuration.utf8.count
    guard size <= limits.maxConfigurationByteCount else {
      throw PluginError(
        field: "configuration",
        "expected at most \(limits.maxConfigurationByteCount) bytes, came \(size)")
    }
  }
}
