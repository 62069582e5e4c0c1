// SPDX-License-Identifier: Apache-2.0

/// A registered plugin build: a shared object in the store's `plugins`, by digest.
public struct PluginRecord: Sendable, Hashable {
  /// The name that the plugin gives itself.
  public var name: ResourceName
  /// The plugin's own version.
  public var version: String
  /// Of the shared object.
  public var digest: Digest
  /// Of the shared object.
  public var byteCount: Int
  /// Where its code runs, as ModelPlugins calls it: `in-process`, `isolated`.
  public var isolation: String
  /// The signed manifest that came with it, in its text form.
  ///
  /// Nil for a plugin that was registered unsigned.
  public var signedManifest: String?
  /// Who registered it, and when.
  public var audit: AuditRecord

  /// Makes a record.
  public init(
    name: ResourceName, version: String, digest: Digest, byteCount: Int, isolation: String,
    signedManifest: String?, audit: AuditRecord
  ) {
    self.name = name
    self.version = version
    self.digest = digest
    self.byteCount = byteCount
    self.isolation = isolation
    self.signedManifest = signedManifest
    self.audit = audit
  }
}
