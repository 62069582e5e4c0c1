// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Class labels of any integer type, as INT32.
enum LabelReader {
  /// The types that labels may have.
  static let integerTypes: Set<DataType> = [
    .uint8, .uint16, .uint32, .uint64, .int8, .int16, .int32, .int64,
  ]

  /// Reads all labels.
  ///
  /// - Parameter classes: how many the network tells apart.
  /// - Throws: `.invalidArgument` about `field` for a label outside `0..<classes`.
  static func read(
    _ bytes: UnsafeRawBufferPointer, _ datatype: DataType, classes: Int, name: String, field: String
  ) throws(PluginError) -> [Int32] {
    switch datatype {
    case .uint8: try read(bytes, UInt8.self, classes, name, field)
    case .uint16: try read(bytes, UInt16.self, classes, name, field)
    case .uint32: try read(bytes, UInt32.self, classes, name, field)
    case .uint64: try read(bytes, UInt64.self, classes, name, field)
    case .int8: try read(bytes, Int8.self, classes, name, field)
    case .int16: try read(bytes, Int16.self, classes, name, field)
    case .int32: try read(bytes, Int32.self, classes, name, field)
    case .int64: try read(bytes, Int64.self, classes, name, field)
    case .bool, .fp16, .bf16, .fp32, .fp64, .bytes:
      throw PluginError(field: field, "expected integers in \(name), came \(datatype.rawValue)")
    }
  }

  private static func read<Label: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ type: Label.Type, _ classes: Int, _ name: String,
    _ field: String
  ) throws(PluginError) -> [Int32] {
    let count = bytes.count / MemoryLayout<Label>.size
    var labels = [Int32](repeating: 0, count: count)
    for sample in 0..<count {
      let label = Label(
        littleEndian: bytes.loadUnaligned(
          fromByteOffset: sample * MemoryLayout<Label>.size, as: Label.self))
      guard label >= 0, let narrow = Int32(exactly: label), narrow < classes else {
        throw PluginError(
          field: field,
          "the network tells 0...\(classes - 1) apart, but sample \(sample) of \(name) has label"
            + " \(label)")
      }
      labels[sample] = narrow
    }
    return labels
  }
}
