// SPDX-License-Identifier: Apache-2.0

/// The type of a tensor's elements, by its name in the Open Inference Protocol.
public struct DataType: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
  /// The protocol's name, `FP32`.
  public let rawValue: String

  /// Takes any name; a server decides which it knows.
  public init(rawValue: String) { self.rawValue = rawValue }

  /// Truth values, one byte each.
  public static let bool = DataType(rawValue: "BOOL")
  /// Unsigned integers of 8 bits.
  public static let uint8 = DataType(rawValue: "UINT8")
  /// Unsigned integers of 16 bits.
  public static let uint16 = DataType(rawValue: "UINT16")
  /// Unsigned integers of 32 bits.
  public static let uint32 = DataType(rawValue: "UINT32")
  /// Unsigned integers of 64 bits.
  public static let uint64 = DataType(rawValue: "UINT64")
  /// Integers of 8 bits.
  public static let int8 = DataType(rawValue: "INT8")
  /// Integers of 16 bits.
  public static let int16 = DataType(rawValue: "INT16")
  /// Integers of 32 bits.
  public static let int32 = DataType(rawValue: "INT32")
  /// Integers of 64 bits.
  public static let int64 = DataType(rawValue: "INT64")
  /// IEEE 754 numbers of 16 bits.
  public static let fp16 = DataType(rawValue: "FP16")
  /// The upper half of `fp32`.
  public static let bf16 = DataType(rawValue: "BF16")
  /// IEEE 754 numbers of 32 bits.
  public static let fp32 = DataType(rawValue: "FP32")
  /// IEEE 754 numbers of 64 bits.
  public static let fp64 = DataType(rawValue: "FP64")
  /// Byte strings, each with a 4-byte little-endian length before it.
  public static let bytes = DataType(rawValue: "BYTES")

  /// The bytes of one element; nil for `bytes` and for unknown types.
  public var byteCount: Int? {
    switch self {
    case .bool, .uint8, .int8: 1
    case .uint16, .int16, .fp16, .bf16: 2
    case .uint32, .int32, .fp32: 4
    case .uint64, .int64, .fp64: 8
    default: nil
    }
  }

  /// The protocol's name.
  public var description: String { rawValue }
}

/// A Swift type that is the element type of tensors.
public protocol TensorElement: BitwiseCopyable, Sendable {
  /// The protocol's type for it.
  static var dataType: DataType { get }
}

extension UInt8: TensorElement {
  /// As `UINT8`.
  public static var dataType: DataType { .uint8 }
}
extension UInt16: TensorElement {
  /// As `UINT16`.
  public static var dataType: DataType { .uint16 }
}
extension UInt32: TensorElement {
  /// As `UINT32`.
  public static var dataType: DataType { .uint32 }
}
extension UInt64: TensorElement {
  /// As `UINT64`.
  public static var dataType: DataType { .uint64 }
}
extension Int8: TensorElement {
  /// As `INT8`.
  public static var dataType: DataType { .int8 }
}
extension Int16: TensorElement {
  /// As `INT16`.
  public static var dataType: DataType { .int16 }
}
extension Int32: TensorElement {
  /// As `INT32`.
  public static var dataType: DataType { .int32 }
}
extension Int64: TensorElement {
  /// As `INT64`.
  public static var dataType: DataType { .int64 }
}
extension Float16: TensorElement {
  /// As `FP16`.
  public static var dataType: DataType { .fp16 }
}
extension Float: TensorElement {
  /// As `FP32`.
  public static var dataType: DataType { .fp32 }
}
extension Double: TensorElement {
  /// As `FP64`.
  public static var dataType: DataType { .fp64 }
}
