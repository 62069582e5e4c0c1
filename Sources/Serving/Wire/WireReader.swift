// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Why bytes are not the protobuf message that they should be.
struct WireError: Error, Equatable {
  enum Reason: Equatable {
    case truncated
    case overlongVarint
    case badTag
    case badWireType
    case badText
  }

  var reason: Reason
  /// Where in the message, in bytes.
  var offset: Int

  /// What a caller reads.
  var text: String {
    switch reason {
    case .truncated: "cut short at byte \(offset)"
    case .overlongVarint: "a varint of more than ten bytes at byte \(offset)"
    case .badTag: "field number 0 at byte \(offset)"
    case .badWireType: "a wire type that proto3 does not have at byte \(offset)"
    case .badText: "text that is not UTF-8, or holds a NUL, at byte \(offset)"
    }
  }
}

/// A range of a message, in bytes from the start of it.
///
/// Small, because scans keep tables of them.
struct WireRange: Equatable {
  private var start: UInt32 = 0
  private var length: UInt32 = 0

  /// The empty range at the start.
  init() {}

  /// - Precondition: the message is shorter than 4 GiB, which gRPC's length prefix sees to.
  init(offset: Int, count: Int) {
    start = UInt32(offset)
    length = UInt32(count)
  }

  var offset: Int { Int(start) }
  var count: Int { Int(length) }
}

/// Walks the fields of a protobuf message in place.
///
/// Checks every bound, allocates nothing.
///
/// Encoding as in protobuf.dev/programming-guides/encoding.
struct WireReader {
  // SAFETY: lent by the creator for the life of the reader; every access lies in position ..< end.
  private let bytes: UnsafeRawBufferPointer
  private(set) var position: Int
  let end: Int

  /// Reads all of `bytes`.
  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    position = 0
    end = bytes.count
  }

  /// Reads `range` of `bytes`; offsets stay those of `bytes`.
  init(_ bytes: UnsafeRawBufferPointer, _ range: WireRange) {
    precondition(range.offset >= 0 && range.count >= 0 && range.offset + range.count <= bytes.count)
    self.bytes = bytes
    position = range.offset
    end = range.offset + range.count
  }

  var isAtEnd: Bool { position >= end }

  mutating func varint() throws(WireError) -> UInt64 {
    guard position < end else { throw error(.truncated) }
    let first = bytes[position]
    if first < 0x80 {
      position += 1
      return UInt64(first)
    }
    var value: UInt64 = 0
    var shift: UInt64 = 0
    var cursor = position
    while cursor < end {
      let byte = bytes[cursor]
      cursor += 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 {
        position = cursor
        return value
      }
      shift += 7
      guard shift < 70 else { throw error(.overlongVarint) }
    }
    throw error(.truncated)
  }

  /// The next field's number and wire type.
  mutating func tag() throws(WireError) -> (field: UInt64, wireType: UInt64) {
    let start = position
    let tag = try varint()
    guard tag >> 3 != 0, tag <= UInt64(UInt32.max) else {
      throw WireError(reason: .badTag, offset: start)
    }
    return (tag >> 3, tag & 7)
  }

  /// The range of a length-delimited field's contents, and steps over them.
  mutating func lengthDelimited() throws(WireError) -> WireRange {
    let start = position
    let length = try varint()
    guard length <= UInt64(end - position) else {
      throw WireError(reason: .truncated, offset: start)
    }
    let range = WireRange(offset: position, count: Int(length))
    position += range.count
    return range
  }

  mutating func fixed32() throws(WireError) -> UInt32 {
    guard end - position >= 4 else { throw error(.truncated) }
    defer { position += 4 }
    return UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
  }

  mutating func fixed64() throws(WireError) -> UInt64 {
    guard end - position >= 8 else { throw error(.truncated) }
    defer { position += 8 }
    return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
  }

  /// Steps over a field of the given wire type.
  ///
  /// Groups are not proto3 and are refused, which also means that nothing here recurses.
  mutating func skip(_ wireType: UInt64) throws(WireError) {
    switch wireType {
    case 0: _ = try varint()
    case 1: _ = try fixed64()
    case 2: _ = try lengthDelimited()
    case 5: _ = try fixed32()
    default: throw error(.badWireType)
    }
  }

  /// A length-delimited field that protobuf-c will hand on as a C string: UTF-8 without NUL.
  mutating func text() throws(WireError) -> WireRange {
    let range = try lengthDelimited()
    let text = UnsafeRawBufferPointer(
      rebasing: bytes[range.offset..<range.offset + range.count])
    var isPlain = true
    for byte in text where byte == 0 || byte >= 0x80 {
      isPlain = false
      break
    }
    if !isPlain {
      guard !text.contains(0), String(validating: text, as: UTF8.self) != nil else {
        throw WireError(reason: .badText, offset: range.offset)
      }
    }
    return range
  }

  func error(_ reason: WireError.Reason) -> WireError {
    WireError(reason: reason, offset: position)
  }
}

extension UnsafeRawBufferPointer {
  /// Whether `bytes` stand at `offset`.
  func hasBytes(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    guard offset >= 0, offset <= count, bytes.count <= count - offset else { return false }
    guard let base = baseAddress, let other = bytes.baseAddress else { return bytes.isEmpty }
    return memcmp(base + offset, other, bytes.count) == 0
  }
}
