// SPDX-License-Identifier: Apache-2.0
import Store

/// The names in a job's directory that the worker and the server agree on.
enum JobFiles {
  static let export = ResourceName(literal: "export")
  /// How the names of a checkpoint's files begin that a version keeps beside its artifacts.
  private static let checkpointPrefix = "massif-checkpoint."

  /// What an artifact of a kept checkpoint is called in the version's directory; nil where that is no
  /// name.
  static func checkpoint(_ artifact: String) -> ResourceName? {
    ResourceName(checkpointPrefix + artifact)
  }

  /// What the plugin called a file of a kept checkpoint.
  static func artifact(of file: ResourceName) -> String {
    String(file.description.dropFirst(checkpointPrefix.count))
  }

  static func isOfCheckpoint(_ file: ResourceName) -> Bool {
    file.description.hasPrefix(checkpointPrefix)
  }

  /// An export's files: those of the checkpoint, nil where none was kept, and the artifacts.
  static func split(
    _ files: [ArtifactRecord]
  ) -> (checkpoint: [ArtifactRecord]?, artifacts: [ArtifactRecord]) {
    let checkpoint = files.filter { isOfCheckpoint($0.name) }
    return (
      checkpoint.isEmpty ? nil : checkpoint, files.filter { !isOfCheckpoint($0.name) }
    )
  }
}
