// SPDX-License-Identifier: Apache-2.0

/// An immutable version of a model.
public struct ModelVersionRecord: Sendable, Hashable {
  /// `team/model`.
  public var model: QualifiedName
  /// From 1, in order of publication.
  public var version: Int64
  /// SHA-256 of `manifest.json`.
  public var digest: Digest
  /// What it is made of.
  public var manifest: ModelManifest
  /// The build of the plugin that serves it in place of the one that made it; nil for that one.
  public var servingBuild: Digest?
  /// The job that trained it; nil for a model without training.
  public var job: ResourceName?
  /// Who made it, and when.
  public var audit: AuditRecord

  /// Makes a record.
  public init(
    model: QualifiedName, version: Int64, digest: Digest, manifest: ModelManifest,
    servingBuild: Digest? = nil, job: ResourceName?, audit: AuditRecord
  ) {
    self.model = model
    self.version = version
    self.digest = digest
    self.manifest = manifest
    self.servingBuild = servingBuild
    self.job = job
    self.audit = audit
  }

  /// The build of the plugin that serves it; nil for a built-in plugin.
  public var build: Digest? { servingBuild ?? manifest.pluginDigest }
}

/// A model: its versions and the names that point at some of them.
public struct ModelRecord: Sendable, Hashable {
  /// `team/model`.
  public var name: QualifiedName
  /// In ascending order; never empty.
  public var versions: [ModelVersionRecord]
  /// The names, for example `production` and `canary`, and the versions that they point at.
  public var aliases: [ResourceName: Int64]

  /// Makes a record.
  public init(
    name: QualifiedName, versions: [ModelVersionRecord], aliases: [ResourceName: Int64]
  ) {
    self.name = name
    self.versions = versions
    self.aliases = aliases
  }
}

/// The wish that a version be loaded, now and after every restart.
public struct DeploymentRecord: Sendable, Hashable {
  /// `team/model`.
  public var model: QualifiedName
  /// The version.
  public var version: Int64
  /// Who deployed it, and when.
  public var audit: AuditRecord

  /// Makes a record.
  public init(model: QualifiedName, version: Int64, audit: AuditRecord) {
    self.model = model
    self.version = version
    self.audit = audit
  }
}
