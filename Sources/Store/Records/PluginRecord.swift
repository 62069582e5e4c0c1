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
  /// Who registered it, and when.
  public var audit: AuditRecord

  /// Makes a record.
  public init(
    name: ResourceName, version: String, digest: Digest, byteCount: Int, audit: AuditRecord
  ) {
    self.name = name
    self.version = version
    self.digest = digest
    self.byteCount = byteCount
    self.audit = audit
  }
}
