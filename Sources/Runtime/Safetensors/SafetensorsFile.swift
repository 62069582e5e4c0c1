// SPDX-License-Identifier: Apache-2.0

/// One tensor of a safetensors file.
public struct SafetensorsEntry: Sendable, Hashable {
  /// The tensor's name.
  public let name: String
  /// The type of its elements.
  public let datatype: DataType
  /// Its dimensions.
  public let shape: Shape
  /// Where its bytes are, counted from the beginning of the file.
  public let range: Range<Int>
}

/// The checked table of contents of a safetensors file.
///
/// It keeps positions and no bytes: whoever has the file (mapped, or in a buffer) slices it with
/// `SafetensorsEntry.range`. Checked here: the header's length and JSON, unknown or missing keys,
/// duplicate names, that sizes follow from shapes, and that the tensors cover the data without gap or
/// overlap (https://github.com/huggingface/safetensors, "Format").
public struct SafetensorsFile: Sendable, Hashable {
  /// The tensors in the order of their bytes.
  public let entries: [SafetensorsEntry]
  /// The strings of `__metadata__`.
  public let metadata: [String: String]
  private let positions: [String: Int]

  /// The longest header read unless told otherwise; the reference implementation's limit is 100 MB,
  /// and a model of ten thousand tensors needs one.
  public static let defaultMaximumHeaderByteCount = 8 << 20

  /// Reads and checks the header of a file.
  ///
  /// - Parameters:
  ///   - bytes: the whole file, borrowed.
  ///   - maximumHeaderByteCount: longer headers are refused before they are parsed.
  /// - Throws: `.malformed`, `.tooLarge`, or `.unsupported` for an element type that has no `DataType`.
  public init(
    parsing bytes: UnsafeRawBufferPointer,
    maximumHeaderByteCount: Int = Self.defaultMaximumHeaderByteCount
  ) throws(RuntimeError) {
    guard bytes.count >= 8 else {
      throw RuntimeError(
        .malformed, "a safetensors file has at least 8 bytes; came \(bytes.count)")
    }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(maximumHeaderByteCount) else {
      throw RuntimeError(
        .tooLarge,
        "the safetensors header says \(length) bytes; the limit is \(maximumHeaderByteCount)")
    }
    guard length <= UInt64(bytes.count - 8) else {
      throw RuntimeError(
        .malformed,
        "the safetensors header says \(length) bytes; the file has \(bytes.count - 8) after it")
    }
    let dataStart = 8 + Int(length)
    var parser = SafetensorsHeaderParser(
      UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart]))
    let header = try parser.parse()
    metadata = header.metadata
    entries = try Self.entries(
      header.tensors, dataStart: dataStart, dataCount: bytes.count - dataStart)
    positions = Dictionary(
      uniqueKeysWithValues: entries.enumerated().map { ($0.element.name, $0.offset) })
  }

  /// The tensor of this name.
  public subscript(name: String) -> SafetensorsEntry? { positions[name].map { entries[$0] } }

  private static func entries(
    _ tensors: [SafetensorsHeaderParser.RawTensor], dataStart: Int, dataCount: Int
  ) throws(RuntimeError) -> [SafetensorsEntry] {
    var names = Set<String>()
    var entries: [SafetensorsEntry] = []
    var end = 0
    let ordered = tensors.sorted { ($0.begin, $0.end) < ($1.begin, $1.end) }
    for tensor in ordered {
      guard names.insert(tensor.name).inserted else {
        throw RuntimeError(.malformed, "the name appears twice", field: tensor.name)
      }
      guard let datatype = DataType(safetensors: tensor.datatype) else {
        throw RuntimeError(
          .unsupported, "element type \"\(tensor.datatype.prefix(32))\"", field: tensor.name)
      }
      let shape: Shape
      let size: Int
      do {
        shape = try Shape(tensor.shape)
        size = try shape.byteCount(of: datatype)
      } catch {
        throw RuntimeError(error.code, error.message, field: tensor.name)
      }
      guard tensor.begin == end else {
        throw RuntimeError(
          .malformed,
          "begins at byte \(tensor.begin) of the data; expected \(end): no gap, no overlap",
          field: tensor.name)
      }
      guard tensor.end >= tensor.begin, tensor.end - tensor.begin == size else {
        throw RuntimeError(
          .malformed,
          "\(datatype.rawValue) \(shape) takes \(size) bytes; came \(tensor.begin) to \(tensor.end)",
          field: tensor.name)
      }
      guard tensor.end <= dataCount else {
        throw RuntimeError(
          .malformed, "ends at byte \(tensor.end) of the data; the file has \(dataCount)",
          field: tensor.name)
      }
      end = tensor.end
      entries.append(
        SafetensorsEntry(
          name: tensor.name, datatype: datatype, shape: shape,
          range: dataStart + tensor.begin..<dataStart + tensor.end))
    }
    guard end == dataCount else {
      throw RuntimeError(
        .malformed, "\(dataCount - end) bytes after the last tensor belong to none")
    }
    return entries
  }
}

extension DataType {
  /// The type that safetensors calls by this name.
  init?(safetensors name: String) {
    guard let match = Self.allCases.first(where: { $0.safetensorsName == name }) else {
      return nil
    }
    self = match
  }

  /// The name in a safetensors header; `nil` for BYTES, which it cannot hold.
  var safetensorsName: String? {
    switch self {
    case .bool: "BOOL"
    case .uint8: "U8"
    case .uint16: "U16"
    case .uint32: "U32"
    case .uint64: "U64"
    case .int8: "I8"
    case .int16: "I16"
    case .int32: "I32"
    case .int64: "I64"
    case .fp16: "F16"
    case .bf16: "BF16"
    case .fp32: "F32"
    case .fp64: "F64"
    case .bytes: nil
    }
  }
}
