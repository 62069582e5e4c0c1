// SPDX-License-Identifier: Apache-2.0

/// The element type of a tensor; raw values are the names of the Open Inference Protocol.
public enum DataType: String, Sendable, Hashable, CaseIterable, Codable {
  /// One byte, zero or one.
  case bool = "BOOL"
  /// Unsigned, 8 bits.
  case uint8 = "UINT8"
  /// Unsigned, 16 bits.
  case uint16 = "UINT16"
  /// Unsigned, 32 bits.
  case uint32 = "UINT32"
  /// Unsigned, 64 bits.
  case uint64 = "UINT64"
  /// Signed, 8 bits.
  case int8 = "INT8"
  /// Signed, 16 bits.
  case int16 = "INT16"
  /// Signed, 32 bits.
  case int32 = "INT32"
  /// Signed, 64 bits.
  case int64 = "INT64"
  /// IEEE half precision.
  case fp16 = "FP16"
  /// The upper half of an IEEE single.
  case bf16 = "BF16"
  /// IEEE single precision, what the runtime computes in.
  case fp32 = "FP32"
  /// IEEE double precision.
  case fp64 = "FP64"
  /// Strings of bytes, each with its own length.
  case bytes = "BYTES"

  /// Bytes of one element; `nil` for `bytes`, whose elements vary.
  public var byteCount: Int? {
    switch self {
    case .bool, .uint8, .int8: 1
    case .uint16, .int16, .fp16, .bf16: 2
    case .uint32, .int32, .fp32: 4
    case .uint64, .int64, .fp64: 8
    case .bytes: nil
    }
  }
}
