// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import ModelPlugins
import Store

/// Makes model versions: of what a training exported, and of plugins' models without training.
struct VersionPublisher: Sendable {
  let store: Store
  let plugins: PluginRegistry
  let now: @Sendable () -> Date

  /// Makes a version of a job's exported files and ends the job with it.
  ///
  /// The model is loaded once, so that what cannot be served is not published, and so that the
  /// manifest knows what it takes and gives.
  func publish(exportOf job: JobRecord) throws -> ModelVersionRecord {
    let training = job.training
    let plugin = try self.plugin(training.plugin, digest: training.pluginDigest)
    let staged = try StagedDirectory(
      adopting: JobFiles.export, in: store.jobDirectory(job.id))
    let (checkpoint, files) = JobFiles.split(try staged.artifacts())
    let artifacts = try files.map { record in
      let file = try staged.map(record.name)
      return Artifact(name: record.name.description, bytes: file.bytes, owner: file)
    }
    let signature = try signature(plugin, artifacts, training.configuration)
    let manifest = ModelManifest(
      plugin: training.plugin, pluginVersion: plugin.version, pluginDigest: training.pluginDigest,
      configuration: training.configuration, dataset: training.dataset,
      datasetDigest: training.datasetDigest, seed: training.seed,
      metrics: job.epochs.last?.metrics ?? [], inputs: signature.inputs,
      outputs: signature.outputs, artifacts: files, continuedVersion: training.continuedVersion,
      checkpoint: checkpoint, originDigest: checkpoint == nil ? nil : try origin(of: training))
    return try store.publish(
      staged, as: training.model, manifest: manifest, finishing: job.id,
      audit: AuditRecord(created: now(), createdBy: job.audit.createdBy))
  }

  /// The data set of the first training of a chain of versions that learned on.
  private func origin(of training: TrainingRecord) throws -> Digest? {
    guard let version = training.continuedVersion else { return training.datasetDigest }
    return try store.version(version, of: training.model)?.manifest.originDigest
  }

  /// Makes a version of a model that needs no training.
  func publish(
    _ model: QualifiedName, plugin: ModelPlugin, configuration: String, createdBy: String
  ) throws -> ModelVersionRecord {
    try plugin.validate(configuration: configuration, dataset: nil)
    let signature = try signature(plugin, [], configuration)
    let manifest = ModelManifest(
      plugin: try Self.name(of: plugin), pluginVersion: plugin.version,
      pluginDigest: Digest(hexadecimal: plugin.digest), configuration: configuration,
      inputs: signature.inputs, outputs: signature.outputs, artifacts: [])
    return try store.publish(
      store.stageVersion(), as: model, manifest: manifest,
      audit: AuditRecord(created: now(), createdBy: createdBy))
  }

  /// The build of a plugin that a record speaks of.
  func plugin(_ name: ResourceName, digest: Digest?) throws(PluginError) -> ModelPlugin {
    let plugin =
      digest.map { plugins.plugin(digest: $0.hexadecimal) }
      ?? plugins.plugin(named: name.description)
    guard let plugin else {
      throw PluginError(.failedPrecondition, "plugin \(name) is not loaded; register it again")
    }
    return plugin
  }

  /// The name of a registered plugin, whose grammar is that of every name.
  static func name(of plugin: ModelPlugin) throws(PluginError) -> ResourceName {
    guard let name = ResourceName(plugin.name) else {
      throw PluginError(.invalidArgument, "the plugin gives itself a name that is not allowed")
    }
    return name
  }

  private func signature(
    _ plugin: ModelPlugin, _ artifacts: [Artifact], _ configuration: String
  ) throws -> (inputs: [TensorRecord], outputs: [TensorRecord]) {
    let model = try plugin.makeModel(artifacts: artifacts, configuration: configuration)
    return (model.inputs.map { TensorRecord($0) }, model.outputs.map { TensorRecord($0) })
  }
}
