// SPDX-License-Identifier: Apache-2.0

/// Lays a safetensors file out, so that its bytes can be written piece by piece.
///
/// The order is the reference implementation's (element types of large elements first, then names), so
/// that every tensor is aligned and equal contents give equal bytes.
public struct SafetensorsWriter: Sendable {
  /// A tensor to write.
  public struct Item: Sendable {
    let name: String
    let datatype: DataType
    let shape: Shape
    let byteCount: Int

    /// Describes a tensor.
    ///
    /// - Throws: `.unsupported` for BYTES, `.tooLarge` when its size overflows.
    public init(_ name: String, _ datatype: DataType, _ shape: Shape) throws(RuntimeError) {
      self.name = name
      self.datatype = datatype
      self.shape = shape
      byteCount = try shape.byteCount(of: datatype)
    }
  }

  /// The length and JSON that the file begins with.
  public let header: [UInt8]
  /// Indices into the items given, in the order in which their bytes follow the header.
  public let order: [Int]

  /// Plans a file.
  ///
  /// - Throws: `.failedPrecondition` when two items share a name or one is called `__metadata__`.
  public init(_ items: [Item], metadata: [String: String] = [:]) throws(RuntimeError) {
    var names: Set<String> = ["__metadata__"]
    for item in items where !names.insert(item.name).inserted {
      throw RuntimeError(.failedPrecondition, "the name is taken", field: item.name)
    }
    order = items.indices.sorted {
      let (a, b) = (items[$0], items[$1])
      let (rankA, rankB) = (a.datatype.safetensorsRank, b.datatype.safetensorsRank)
      return rankA != rankB ? rankA > rankB : a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
    }
    var members: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }
        .map { "\(Self.quoted($0.key)):\(Self.quoted($0.value))" }
      members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var end = 0
    for index in order {
      let item = items[index]
      let shape = item.shape.dimensions.map(String.init).joined(separator: ",")
      members.append(
        "\(Self.quoted(item.name)):{\"dtype\":\"\(item.datatype.safetensorsName ?? "")\","
          + "\"shape\":[\(shape)],\"data_offsets\":[\(end),\(end + item.byteCount)]}")
      end += item.byteCount
    }
    var json = Array("{\(members.joined(separator: ","))}".utf8)
    // Padded with spaces, so that the data begins at a multiple of 8.
    json.append(contentsOf: repeatElement(0x20, count: (8 - json.count % 8) % 8))
    header = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
  }

  /// A whole file in memory.
  ///
  /// - Parameter tensors: names and tensors' bytes.
  /// - Throws: as `init`, and `.shapeMismatch` when bytes are not as many as their item says.
  public static func encode(
    _ tensors: [(item: Item, bytes: UnsafeRawBufferPointer)], metadata: [String: String] = [:]
  ) throws(RuntimeError) -> [UInt8] {
    let writer = try SafetensorsWriter(tensors.map { $0.item }, metadata: metadata)
    var file = writer.header
    for index in writer.order {
      let (item, bytes) = tensors[index]
      guard bytes.count == item.byteCount else {
        throw RuntimeError(
          .shapeMismatch, "expected \(item.byteCount) bytes; came \(bytes.count)",
          field: item.name)
      }
      file.append(contentsOf: bytes)
    }
    return file
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{c}": result += "\\f"
      case "\u{0}"..<"\u{20}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension DataType {
  /// The reference implementation's order of element types, from the last to be written to the first.
  fileprivate var safetensorsRank: Int {
    switch self {
    case .bool: 0
    case .uint8: 1
    case .int8: 2
    case .int16: 3
    case .uint16: 4
    case .fp16: 5
    case .bf16: 6
    case .int32: 7
    case .uint32: 8
    case .fp32: 9
    case .fp64: 10
    case .int64: 11
    case .uint64: 12
    case .bytes: 13
    }
  }
}
