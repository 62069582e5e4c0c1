// SPDX-License-Identifier: Apache-2.0

/// What a version in a narrower type was made of.
public struct QuantizationRecord: Sendable, Hashable, Codable {
  /// `bf16` or `int8`.
  public var type: String
  /// The version in single precision, of the same model.
  public var sourceVersion: Int64
  /// The digest of that version's manifest.
  public var sourceDigest: Digest
  /// The data set that showed which values occur; nil for none.
  public var calibration: QualifiedName?
  /// The digest of it.
  public var calibrationDigest: Digest?
  /// At most so many of its samples were looked at.
  public var maxSamples: Int

  /// Makes a record.
  public init(
    type: String, sourceVersion: Int64, sourceDigest: Digest, calibration: QualifiedName?,
    calibrationDigest: Digest?, maxSamples: Int
  ) {
    self.type = type
    self.sourceVersion = sourceVersion
    self.sourceDigest = sourceDigest
    self.calibration = calibration
    self.calibrationDigest = calibrationDigest
    self.maxSamples = maxSamples
  }
}
