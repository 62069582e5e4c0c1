// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import ModelPlugins
import Store

extension VersionPublisher {
  /// Makes a version in a narrower type out of one in single precision.
  ///
  /// Its manifest says what it was made of and otherwise what the source's says; its metrics are what the calibration
  /// measured, for those of the training are not its own. Blocks as long as the calibration takes.
  ///
  /// - Throws: what the plugin and the store throw; `.cancelled` when `isCancelled` says so.
  func quantize(
    _ source: ModelVersionRecord, to type: QuantizationType, calibration: DataSetRecord?,
    maxSamples: Int, createdBy: String, isCancelled: @Sendable () -> Bool
  ) throws -> ModelVersionRecord {
    let plugin = try plugin(
      source.manifest.plugin, digest: source.servingBuild ?? source.manifest.pluginDigest)
    let files = try store.artifacts(of: source)
    let view = try calibration.map {
      try SafetensorsDataSet(file: store.datasets.map($0.digest)).view()
    }
    let request = QuantizationRequest(
      artifacts: files.map {
        Artifact(name: $0.name.description, bytes: $0.file.bytes, owner: $0.file)
      }, configuration: source.manifest.configuration, type: type, calibration: view,
      maxSamples: maxSamples)
    let made = try plugin.quantize(request, isCancelled: isCancelled)
    // What cannot be served is not published.
    let model = try plugin.makeModel(
      artifacts: made.artifacts, configuration: source.manifest.configuration)
    let staged = try store.stageVersion()
    for artifact in made.artifacts {
      guard let name = ResourceName(artifact.name) else {
        throw PluginError(.internal, "an artifact may not be called \(artifact.name)")
      }
      try staged.append(artifact.bytes, to: name)
    }
    var manifest = source.manifest
    manifest.pluginVersion = plugin.version
    manifest.pluginDigest = Digest(hexadecimal: plugin.digest)
    manifest.metrics = made.metrics.map { MetricRecord(name: $0.name, value: $0.value) }
    manifest.inputs = model.inputs.map { TensorRecord($0) }
    manifest.outputs = model.outputs.map { TensorRecord($0) }
    manifest.artifacts = try staged.artifacts()
    // Learning goes on from the source, in single precision.
    (manifest.continuedVersion, manifest.checkpoint, manifest.originDigest) = (nil, nil, nil)
    manifest.quantization = QuantizationRecord(
      type: type.rawValue, sourceVersion: source.version, sourceDigest: source.digest,
      calibration: calibration?.name, calibrationDigest: calibration?.digest,
      maxSamples: maxSamples)
    return try store.publish(
      staged, as: source.model, manifest: manifest,
      audit: AuditRecord(created: now(), createdBy: createdBy))
  }
}
