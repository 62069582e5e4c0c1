// SPDX-License-Identifier: Apache-2.0

/// Reads the fields of one protobuf message in place, as far as the SDK needs it without a
/// generated type.
///
/// Used where a generated decoder would copy a tensor, and for `google.rpc.Status`. Every length is
/// checked against the bytes that are there; no recursion, no allocation. See the protobuf encoding
/// guide.
struct ProtobufReader: ~Copyable {
  /// A field's value as the wire carries it; ranges count from the first byte of the message.
  enum Value {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes(Range<Int>)
    case fixed32(UInt32)
  }

  struct Field {
    let number: Int
    let value: Value
    /// The whole field with its tag.
    let range: Range<Int>
  }

  enum Malformed: Error {
    case truncated(at: Int)
    case varintTooLong(at: Int)
    case wireType(Int, at: Int)
    case fieldNumber(at: Int)
  }

  let bytes: UnsafeRawBufferPointer
  private(set) var position = 0

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
  }

  /// The next field, or nil at the end.
  mutating func next() throws(Malformed) -> Field? {
    guard position < bytes.count else { return nil }
    let start = position
    let tag = try varint()
    guard let number = Int(exactly: tag >> 3), number > 0, number <= 0x1FFF_FFFF else {
      throw .fieldNumber(at: start)
    }
    let value: Value
    switch tag & 7 {
    case 0: value = .varint(try varint())
    case 1: value = .fixed64(try fixed(UInt64.self))
    case 2:
      let length = try varint()
      guard length <= UInt64(bytes.count - position) else { throw .truncated(at: start) }
      let end = position + Int(length)
      value = .bytes(position..<end)
      position = end
    case 5: value = .fixed32(try fixed(UInt32.self))
    case let other: throw .wireType(Int(other), at: start)
    }
    return Field(number: number, value: value, range: start..<position)
  }

  /// The text of a range, with replacement characters where it is not UTF-8.
  func text(_ range: Range<Int>) -> String {
    String(decoding: bytes[range], as: UTF8.self)
  }

  private mutating func varint() throws(Malformed) -> UInt64 {
    let start = position
    var result: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard position < bytes.count else { throw .truncated(at: start) }
      let byte = bytes[position]
      position += 1
      result |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return result }
    }
    throw .varintTooLong(at: start)
  }

  private mutating func fixed<T: FixedWidthInteger & BitwiseCopyable>(
    _: T.Type
  ) throws(Malformed) -> T {
    guard bytes.count - position >= MemoryLayout<T>.size else { throw .truncated(at: position) }
    let value = bytes.loadUnaligned(fromByteOffset: position, as: T.self)
    position += MemoryLayout<T>.size
    return T(littleEndian: value)
  }
}
