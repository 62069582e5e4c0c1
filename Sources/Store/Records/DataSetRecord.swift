// SPDX-License-Identifier: Apache-2.0

/// An immutable data set: one safetensors file in the store's `datasets`, by digest.
public struct DataSetRecord: Sendable, Hashable {
  /// `team/name`.
  public var name: QualifiedName
  /// Of the file.
  public var digest: Digest
  /// Of the file.
  public var byteCount: Int
  /// The tensors, named `<split>/<role>`.
  public var tensors: [TensorRecord]
  /// The metadata of the file's header: class names, source, ...
  public var metadata: [String: String]
  /// Who uploaded it, and when.
  public var audit: AuditRecord

  /// Makes a record.
  public init(
    name: QualifiedName, digest: Digest, byteCount: Int, tensors: [TensorRecord],
    metadata: [String: String], audit: AuditRecord
  ) {
    self.name = name
    self.digest = digest
    self.byteCount = byteCount
    self.tensors = tensors
    self.metadata = metadata
    self.audit = audit
  }
}
