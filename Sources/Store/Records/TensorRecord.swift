// SPDX-License-Identifier: Apache-2.0
public import FoundationEssentials

/// The name, element type and shape of a tensor of a data set or of a model's signature.
public struct TensorRecord: Sendable, Hashable, Codable {
  /// The name.
  public var name: String
  /// The Open Inference Protocol's name of the element type: `FP32`, `UINT8`, ...
  public var datatype: String
  /// The extents; a negative one varies.
  public var shape: [Int]

  /// Makes a record.
  public init(name: String, datatype: String, shape: [Int]) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
  }
}

/// A named number that a training reports.
public struct MetricRecord: Sendable, Hashable, Codable {
  /// `loss`, `accuracy`, `test_accuracy`, ...
  public var name: String
  /// Its value; it may be infinite or not a number when a training diverges.
  public var value: Double

  /// Makes a record.
  public init(name: String, value: Double) {
    self.name = name
    self.value = value
  }
}

/// A file of a model version.
public struct ArtifactRecord: Sendable, Hashable, Codable {
  /// The file's name in the version's directory.
  public var name: ResourceName
  /// Of its contents.
  public var digest: Digest
  /// Of its contents.
  public var byteCount: Int

  /// Makes a record.
  public init(name: ResourceName, digest: Digest, byteCount: Int) {
    self.name = name
    self.digest = digest
    self.byteCount = byteCount
  }
}

/// Who made something, and when.
public struct AuditRecord: Sendable, Hashable {
  /// When it was made.
  public var created: Date
  /// The SPIFFE ID of the caller who made it.
  public var createdBy: String

  /// Makes a record.
  public init(created: Date, createdBy: String) {
    self.created = created
    self.createdBy = createdBy
  }
}
