// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import ModelPlugins
import Store
import SwiftProtobuf

/// A job's checkpoints: `checkpoint-<epoch>/`, each whole, the newest kept.
struct CheckpointDirectory {
  /// What a checkpoint holds.
  struct Checkpoint {
    var epoch: Int
    /// What the plugin wrote.
    var artifacts: [Artifact]
    /// The results of all epochs until then.
    var results: [Massif_V1_EpochResult]
  }

  private static let prefix = "checkpoint-"
  private static let resultsName = ResourceName(literal: "massif-results.pb")

  private let directory: Directory

  /// Takes a job's directory; removes what an earlier worker left unfinished in it.
  init(_ directory: Directory) throws(StoreError) {
    self.directory = directory
    try StagedDirectory.sweep(directory)
  }

  /// The newest checkpoint, or nil.
  func newest() throws -> Checkpoint? {
    guard let (epoch, name) = try checkpoints().last else { return nil }
    let folder = try directory.directory(name)
    var checkpoint = Checkpoint(epoch: epoch, artifacts: [], results: [])
    for entry in try folder.entries() {
      let file = try folder.map(entry)
      if entry == Self.resultsName {
        let bytes = file.withBytes { Array($0) }
        checkpoint.results = try Massif_V1_Job(serializedBytes: bytes).epochs
      } else {
        checkpoint.artifacts.append(
          Artifact(name: entry.description, bytes: file.bytes, owner: file))
      }
    }
    return checkpoint
  }

  /// Writes a checkpoint, then removes the older ones.
  ///
  /// It survives a crash when this returns.
  func write(
    epoch: Int, results: [Massif_V1_EpochResult], _ body: (ArtifactWriter) throws -> Void
  ) throws {
    guard let name = ResourceName("\(Self.prefix)\(epoch)") else {
      preconditionFailure("a number makes a resource name")
    }
    let older = try checkpoints()
    let staged = try StagedDirectory(in: directory)
    let summary: [UInt8] = try Massif_V1_Job.with { $0.epochs = results }.serializedBytes()
    try summary.withUnsafeBytes { try staged.append($0, to: Self.resultsName) }
    try body { text, bytes in
      guard let name = ResourceName(text), name != Self.resultsName else {
        throw PluginError(.internal, "an artifact of a checkpoint may not be called \(text)")
      }
      try staged.append(bytes, to: name)
    }
    try staged.commit(to: directory, as: name)
    for (_, name) in older { try directory.removeTree(name) }
  }

  /// Removes every checkpoint.
  func removeAll() throws(StoreError) {
    for (_, name) in try checkpoints() { try directory.removeTree(name) }
  }

  private func checkpoints() throws(StoreError) -> [(epoch: Int, name: ResourceName)] {
    try directory.entries().compactMap { name -> (epoch: Int, name: ResourceName)? in
      guard name.description.hasPrefix(Self.prefix),
        let epoch = Int(name.description.dropFirst(Self.prefix.count)), epoch > 0
      else { return nil }
      return (epoch, name)
    }.sorted { $0.epoch < $1.epoch }
  }
}
