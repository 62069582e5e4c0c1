// SPDX-License-Identifier: Apache-2.0

/// A file of a model version, mapped into memory and checked against its digest.
public struct ArtifactFile: Sendable {
  /// The file's name.
  public let name: ResourceName
  /// Its contents.
  public let file: MappedFile
}
