// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// The element type of a tensor, by its number in the ABI.
public enum DataType: Int32, Sendable, Hashable, CaseIterable {
  case bool = 1
  case uint8 = 2
  case uint16 = 3
  case uint32 = 4
  case uint64 = 5
  case int8 = 6
  case int16 = 7
  case int32 = 8
  case int64 = 9
  case fp16 = 10
  case bf16 = 11
  case fp32 = 12
  case fp64 = 13
  case bytes = 14

  /// The type's name in the Open Inference Protocol, for example `FP32`.
  public var name: String { "\(self)".uppercased() }
}

extension DataType: Decodable {
  /// Decodes the type's name, as configurations give it.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let name = try container.decode(String.self)
    guard let type = Self.allCases.first(where: { $0.name == name }) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "expected the name of a type, such as \"FP32\"")
    }
    self = type
  }
}

/// The name, element type and shape of a tensor.
public struct TensorSpecification: Sendable, Hashable {
  /// The name.
  public var name: String
  /// The element type.
  public var datatype: DataType
  /// The extents; -1 means "varies".
  ///
  /// Without the batch dimension where the model batches.
  public var shape: [Int]

  /// Makes a specification.
  public init(_ name: String, _ datatype: DataType, _ shape: [Int]) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
  }

  init(_ tensor: msf_tensor) {
    self.init(
      String(tensor.name), DataType(rawValue: tensor.data_type) ?? .bytes,
      UnsafeBufferPointer(start: tensor.shape, count: Int(tensor.rank)).map(Int.init))
  }
}

/// A tensor that the host lends, dense and row-major.
public struct Tensor {
  /// Name, element type and shape, with the batch dimension.
  public let specification: TensorSpecification
  /// The elements.
  public let bytes: UnsafeRawBufferPointer

  init(_ tensor: msf_tensor) {
    specification = TensorSpecification(tensor)
    bytes = UnsafeRawBufferPointer(start: tensor.bytes, count: tensor.byte_count)
  }

  /// The elements as values of a type that has their layout.
  public func elements<Element: BitwiseCopyable>(
    as type: Element.Type = Element.self
  ) -> UnsafeBufferPointer<Element> {
    bytes.assumingMemoryBound(to: type)
  }
}

extension String {
  init(_ text: msf_string) {
    let bytes = UnsafeRawBufferPointer(start: text.data, count: text.size)
    self = String(decoding: bytes, as: UTF8.self)
  }

  /// Lends the text to the host for the call.
  func withMSFString<Result>(_ body: (msf_string) -> Result) -> Result {
    var text = self
    return text.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) {
        body(msf_string(data: $0.baseAddress, size: $0.count))
      }
    }
  }

  /// A copy that is never freed, for tables that live as long as the process.
  var immortal: msf_string {
    let utf8 = Array(self.utf8)
    let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: max(1, utf8.count))
    for (index, byte) in utf8.enumerated() { bytes[index] = CChar(bitPattern: byte) }
    return msf_string(data: bytes, size: utf8.count)
  }
}
