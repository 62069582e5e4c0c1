// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Reads numbers of any type as FP32 or FP64.
enum TableElements {
  /// Whether a column or matrix may have this type.
  static func isNumeric(_ type: DataType) -> Bool {
    switch type {
    case .fp16, .bf16, .bytes: false
    default: true
    }
  }

  /// Whether the type has whole numbers only.
  static func isInteger(_ type: DataType) -> Bool {
    switch type {
    case .bool, .fp16, .bf16, .fp32, .fp64, .bytes: false
    default: true
    }
  }

  /// Copies elements `first`, `first + stride`, … of a tensor.
  ///
  /// - Precondition: the type is numeric, and the elements are there.
  static func read(
    _ bytes: UnsafeRawBufferPointer, _ type: DataType, first: Int = 0, stride: Int = 1,
    count: Int, into destination: UnsafeMutablePointer<Float>, destinationStride: Int = 1
  ) {
    func integers<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) {
      for index in 0..<count {
        destination[index &* destinationStride] = Float(
          T(
            littleEndian: bytes.loadUnaligned(
              fromByteOffset: (first &+ index &* stride) &* MemoryLayout<T>.size, as: T.self)))
      }
    }
    switch type {
    case .bool, .uint8: integers(UInt8.self)
    case .uint16: integers(UInt16.self)
    case .uint32: integers(UInt32.self)
    case .uint64: integers(UInt64.self)
    case .int8: integers(Int8.self)
    case .int16: integers(Int16.self)
    case .int32: integers(Int32.self)
    case .int64: integers(Int64.self)
    case .fp32:
      for index in 0..<count {
        destination[index &* destinationStride] = bytes.loadUnaligned(
          fromByteOffset: (first &+ index &* stride) &* 4, as: Float.self)
      }
    case .fp64:
      for index in 0..<count {
        destination[index &* destinationStride] = Float(
          bytes.loadUnaligned(
            fromByteOffset: (first &+ index &* stride) &* 8, as: Double.self))
      }
    case .fp16, .bf16, .bytes:
      preconditionFailure("\(type.rawValue) is not numeric")
    }
  }

  /// All elements of an integer tensor; nil when one does not fit in 64 bits.
  ///
  /// - Precondition: the type has whole numbers only.
  static func integers(
    _ bytes: UnsafeRawBufferPointer, _ type: DataType, count: Int
  ) -> [Int64]? {
    func read<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> [Int64]? {
      var values = [Int64](repeating: 0, count: count)
      for index in 0..<count {
        let value = T(
          littleEndian: bytes.loadUnaligned(
            fromByteOffset: index &* MemoryLayout<T>.size, as: T.self))
        guard let exact = Int64(exactly: value) else { return nil }
        values[index] = exact
      }
      return values
    }
    return switch type {
    case .uint8: read(UInt8.self)
    case .uint16: read(UInt16.self)
    case .uint32: read(UInt32.self)
    case .uint64: read(UInt64.self)
    case .int8: read(Int8.self)
    case .int16: read(Int16.self)
    case .int32: read(Int32.self)
    case .int64: read(Int64.self)
    case .bool, .fp16, .bf16, .fp32, .fp64, .bytes:
      preconditionFailure("\(type.rawValue) is not an integer type")
    }
  }
}
