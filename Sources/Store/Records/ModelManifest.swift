// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// What a model version is made of, and all that it came from: `manifest.json` in its directory.
///
/// It holds no time and no job, so that the same training gives the same manifest and the digest of
/// the manifest identifies the version's content.
public struct ModelManifest: Sendable, Hashable, Codable {
  /// The layout of this file.
  ///
  /// Readers refuse a newer one.
  public static let currentFormat = 1

  /// The layout of the file that was read.
  public var format = ModelManifest.currentFormat
  /// The plugin that serves it.
  public var plugin: ResourceName
  /// The plugin's own version.
  public var pluginVersion: String
  /// The plugin's build; nil for a built-in one.
  public var pluginDigest: Digest?
  /// The plugin's configuration, JSON.
  public var configuration: String
  /// What it was trained on; nil for a model without training.
  public var dataset: QualifiedName?
  /// The digest of what it was trained on.
  public var datasetDigest: Digest?
  /// The seed of the training.
  public var seed: UInt64
  /// The results of the last epoch: `loss`, `accuracy`, `test_accuracy`, ...
  public var metrics: [MetricRecord]
  /// What it takes.
  public var inputs: [TensorRecord]
  /// What it gives.
  public var outputs: [TensorRecord]
  /// The files beside the manifest, sorted by name.
  public var artifacts: [ArtifactRecord]
  /// The version of the same model that learned on to become this one; nil for one that was trained
  /// from the beginning.
  public var continuedVersion: Int64?
  /// The files of the training's last checkpoint, where the version can learn on; nil otherwise.
  public var checkpoint: [ArtifactRecord]?
  /// With a checkpoint: the data set of the training from the beginning, which the checkpoint
  /// belongs to.
  public var originDigest: Digest?
  /// What a version in a narrower type was made of; nil for any other, and then not written.
  public var quantization: QuantizationRecord?

  /// Makes a manifest.
  public init(
    plugin: ResourceName, pluginVersion: String, pluginDigest: Digest?, configuration: String,
    dataset: QualifiedName? = nil, datasetDigest: Digest? = nil, seed: UInt64 = 0,
    metrics: [MetricRecord] = [], inputs: [TensorRecord], outputs: [TensorRecord],
    artifacts: [ArtifactRecord], continuedVersion: Int64? = nil,
    checkpoint: [ArtifactRecord]? = nil, originDigest: Digest? = nil,
    quantization: QuantizationRecord? = nil
  ) {
    self.quantization = quantization
    self.plugin = plugin
    self.pluginVersion = pluginVersion
    self.pluginDigest = pluginDigest
    self.configuration = configuration
    self.dataset = dataset
    self.datasetDigest = datasetDigest
    self.seed = seed
    self.metrics = metrics
    self.inputs = inputs
    self.outputs = outputs
    self.artifacts = artifacts
    self.continuedVersion = continuedVersion
    self.checkpoint = checkpoint
    self.originDigest = originDigest
  }

  /// The name of the file.
  static let fileName = ResourceName(literal: "manifest.json")

  /// The file's text: sorted keys, so that equal manifests are equal bytes.
  func encoded() throws(StoreError) -> [UInt8] {
    try StoreJSON.encode(self, formatting: [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes])
  }

  /// Reads the file's text.
  ///
  /// - Throws: `.dataLoss` when it is no manifest, `.failedPrecondition` when its format is newer.
  init(decoding bytes: some Sequence<UInt8>) throws(StoreError) {
    let manifest = try StoreJSON.decode(ModelManifest.self, from: bytes)
    guard manifest.format <= Self.currentFormat else {
      throw StoreError(
        .failedPrecondition,
        "expected a manifest of format \(Self.currentFormat) or older, came \(manifest.format);"
          + " it needs a newer massif")
    }
    self = manifest
  }
}
