// SPDX-License-Identifier: Apache-2.0
import Foundation
import Store
import TestSupport
import Testing

/// A store in a directory of its own, and records to put into it.
struct StoreFixture {
  let directory: TemporaryDirectory
  let store: Store

  init() throws {
    directory = try TemporaryDirectory()
    store = try Store.open(directory: directory.path + "/store")
  }

  var path: String { directory.path + "/store" }

  static let audit = AuditRecord(
    created: Date(timeIntervalSince1970: 1_700_000_000),
    createdBy: "spiffe://massif.test/team/vision/ann")
  static let model = QualifiedName(
    team: ResourceName(literal: "vision"), name: ResourceName(literal: "mnist"))
  static let dataset = QualifiedName(
    team: ResourceName(literal: "vision"), name: ResourceName(literal: "fashion"))

  /// Opens a copy of the files as they stand on disk now, as a new process finds them after
  /// `kill -9` of the one that has them open.
  func afterKill() throws -> (Store, TemporaryDirectory) {
    let copy = try TemporaryDirectory()
    try FileManager.default.copyItem(atPath: path, toPath: copy.path + "/store")
    return (try Store.open(directory: copy.path + "/store"), copy)
  }

  /// The names of a directory's entries, sorted.
  func entries(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)").sorted()
  }

  static func digest(_ text: String) throws -> Digest {
    try Array(text.utf8).withUnsafeBytes { try SHA256.digest(of: $0) }
  }

  static func job(_ id: StaticString, requestID: String = "", seed: UInt64 = 7) throws -> JobRecord
  {
    JobRecord(
      id: ResourceName(literal: id), team: model.team,
      training: TrainingRecord(
        model: model, dataset: dataset, datasetDigest: try digest("data"),
        plugin: ResourceName(literal: "neural-network"), pluginDigest: nil, configuration: "{}",
        seed: seed, threads: 1),
      requestID: requestID, audit: audit)
  }

  static func manifest(artifacts: [ArtifactRecord]) throws -> ModelManifest {
    ModelManifest(
      plugin: ResourceName(literal: "neural-network"), pluginVersion: "1.0", pluginDigest: nil,
      configuration: "{\"layers\":[]}", dataset: dataset, datasetDigest: try digest("data"),
      seed: .max,
      metrics: [
        MetricRecord(name: "loss", value: .nan), MetricRecord(name: "accuracy", value: 0.5),
      ],
      inputs: [TensorRecord(name: "images", datatype: "UINT8", shape: [28, 28, 1])],
      outputs: [TensorRecord(name: "probabilities", datatype: "FP32", shape: [10])],
      artifacts: artifacts)
  }

  /// Publishes a version with one file.
  @discardableResult
  func publish(
    _ contents: String = "weights", finishing job: ResourceName? = nil
  ) throws -> ModelVersionRecord {
    let staged = try store.stageVersion()
    try Array(contents.utf8).withUnsafeBytes {
      try staged.append($0, to: ResourceName(literal: "weights.safetensors"))
    }
    return try store.publish(
      staged, as: Self.model, manifest: Self.manifest(artifacts: staged.artifacts()),
      finishing: job, audit: Self.audit)
  }
}

extension BlobWriter {
  func append(_ text: String) throws {
    try Array(text.utf8).withUnsafeBytes { try append($0) }
  }
}

extension MappedFile {
  /// The contents as text.
  var text: String {
    withBytes { String(decoding: $0, as: UTF8.self) }
  }
}
