// SPDX-License-Identifier: Apache-2.0

/// Writes the fields of a message between a host and its worker: integers little-endian, everything
/// of variable size behind its count.
struct WireEncoder {
  private(set) var bytes: [UInt8] = []

  mutating func put<Value: FixedWidthInteger>(_ value: Value) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func put(_ text: String) {
    let utf8 = text.utf8
    put(UInt32(utf8.count))
    bytes.append(contentsOf: utf8)
  }

  mutating func put<Element>(
    _ elements: [Element], _ encode: (inout WireEncoder, Element) -> Void
  ) {
    put(UInt32(elements.count))
    for element in elements { encode(&self, element) }
  }
}

/// Reads what `WireEncoder` wrote, and believes nothing: the other end may be a hostile plugin.
struct WireDecoder {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  mutating func integer<Value: FixedWidthInteger>(
    _ type: Value.Type = Value.self
  ) throws(PluginError) -> Value {
    let size = MemoryLayout<Value>.size
    guard bytes.count - position >= size else { throw Self.malformed }
    defer { position += size }
    return bytes.withUnsafeBytes {
      Value(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: Value.self))
    }
  }

  /// A size or a count of bytes.
  mutating func count() throws(PluginError) -> Int {
    guard let value = Int(exactly: try integer(UInt64.self)) else { throw Self.malformed }
    return value
  }

  mutating func text(limit: Int) throws(PluginError) -> String {
    let count = Int(try integer(UInt32.self))
    guard count <= limit, bytes.count - position >= count else { throw Self.malformed }
    defer { position += count }
    return String(decoding: bytes[position..<position + count], as: UTF8.self)
  }

  mutating func array<Element>(
    limit: Int, _ decode: (inout WireDecoder) throws(PluginError) -> Element
  ) throws(PluginError) -> [Element] {
    let count = Int(try integer(UInt32.self))
    guard count <= limit else { throw Self.malformed }
    var elements: [Element] = []
    for _ in 0..<count { elements.append(try decode(&self)) }
    return elements
  }

  static let malformed = PluginError(
    .internal, "the isolated worker and its host do not understand each other")
}

/// A message that can be sent.
protocol WireMessage {
  init(from decoder: inout WireDecoder) throws(PluginError)
  func encode(to encoder: inout WireEncoder)
}

extension WireMessage {
  var encoded: [UInt8] {
    var encoder = WireEncoder()
    encode(to: &encoder)
    return encoder.bytes
  }

  init(decoding bytes: [UInt8]) throws(PluginError) {
    var decoder = WireDecoder(bytes)
    try self.init(from: &decoder)
  }
}
