// SPDX-License-Identifier: Apache-2.0
internal import Runtime

/// A tensor as an importer read it: little-endian, row-major.
struct ImportedTensor: Equatable {
  /// `<split>/<role>`, `train/images`.
  var name: String
  var datatype: DataType
  var shape: [Int]
  var bytes: [UInt8]

  /// The protocol's name of the element type.
  var datatypeName: String { datatype.rawValue }

  /// The samples: the first extent.
  var count: Int { shape.first ?? 0 }

  /// `images` of `train/images`.
  var role: Substring {
    name[(name.firstIndex(of: "/").map(name.index(after:)) ?? name.startIndex)...]
  }
  /// `train` of `train/images`.
  var split: Substring { name[..<(name.firstIndex(of: "/") ?? name.endIndex)] }

  /// The product of extents; nil when one is negative or it overflows.
  static func elementCount(_ shape: some Sequence<Int>) -> Int? {
    var count = 1
    for extent in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else { return nil }
      count = product
    }
    return count
  }

  /// The tensor as data sets keep it: images have channels last, labels are INT32.
  func normalized() throws(CommandError) -> ImportedTensor {
    var tensor = self
    if role == "images", shape.count == 3 { tensor.shape.append(1) }  // (N, H, W) → (N, H, W, 1)
    if role == "labels", datatype != .int32, Self.isInteger(datatype) {
      tensor.datatype = .int32
      tensor.bytes = try widenedLabels()
    }
    return tensor
  }

  private static func isInteger(_ type: DataType) -> Bool {
    switch type {
    case .uint8, .uint16, .uint32, .uint64, .int8, .int16, .int32, .int64: true
    default: false
    }
  }

  private func widenedLabels() throws(CommandError) -> [UInt8] {
    var widened: [UInt8] = []
    // Of the elements, not of the first extent, which may be anything where another is 0.
    let elements = Self.elementCount(shape) ?? 0
    widened.reserveCapacity(elements * 4)
    for index in 0..<elements {
      guard let label = integer(at: index), let narrow = Int32(exactly: label) else {
        throw CommandError(
          name, field: "element \(index)", expected: "a label that fits in 32 bits",
          came: "a larger one")
      }
      withUnsafeBytes(of: narrow.littleEndian) { widened.append(contentsOf: $0) }
    }
    return widened
  }

  /// An integer element; nil where the tensor has other elements or the value does not fit.
  func integer(at index: Int) -> Int? {
    func value<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) -> Int? {
      let offset = index * MemoryLayout<T>.size
      return Int(
        exactly: T(
          littleEndian: bytes.withUnsafeBytes {
            $0.loadUnaligned(fromByteOffset: offset, as: T.self)
          }))
    }
    return switch datatype {
    case .uint8: value(UInt8.self)
    case .uint16: value(UInt16.self)
    case .uint32: value(UInt32.self)
    case .uint64: value(UInt64.self)
    case .int8: value(Int8.self)
    case .int16: value(Int16.self)
    case .int32: value(Int32.self)
    case .int64: value(Int64.self)
    default: nil
    }
  }
}
