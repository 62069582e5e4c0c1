// SPDX-License-Identifier: Apache-2.0

/// Reads the JSON of a safetensors header and nothing more than such a header may hold.
///
/// A general JSON decoder forgets duplicate keys, which the format forbids, so the grammar (RFC 8259)
/// is followed here: one object, whose members are tensors of three known keys, or strings under
/// `__metadata__`. Depth is fixed by the grammar, so nothing recurses.
struct SafetensorsHeaderParser {
  struct RawTensor {
    let name: String
    let datatype: String
    let shape: [Int]
    let begin: Int
    let end: Int
  }

  /// More dimensions than any array library has.
  private static let maximumRank = 64

  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func parse() throws(RuntimeError) -> (tensors: [RawTensor], metadata: [String: String]) {
    var tensors: [RawTensor] = []
    var metadata: [String: String]?
    guard bytes.first == UInt8(ascii: "{") else { throw failure("expected { at its beginning") }
    try expect("{")
    if !take("}") {
      repeat {
        let name = try string()
        try expect(":")
        if name == "__metadata__" {
          guard metadata == nil else { throw failure("__metadata__ appears twice") }
          metadata = try strings()
        } else {
          tensors.append(try tensor(name))
        }
      } while take(",")
      try expect("}")
    }
    skipSpace()
    guard position == bytes.count else { throw failure("expected nothing after the object") }
    return (tensors, metadata ?? [:])
  }

  private mutating func tensor(_ name: String) throws(RuntimeError) -> RawTensor {
    var datatype: String?
    var shape: [Int]?
    var offsets: [Int]?
    try expect("{")
    repeat {
      let key = try string()
      try expect(":")
      switch key {
      case "dtype" where datatype == nil: datatype = try string()
      case "shape" where shape == nil: shape = try integers(atMost: Self.maximumRank)
      case "data_offsets" where offsets == nil: offsets = try integers(atMost: 2)
      default: throw failure("the key \"\(key.prefix(64))\" is unknown or appears twice")
      }
    } while take(",")
    try expect("}")
    guard let datatype, let shape, let offsets, offsets.count == 2 else {
      throw RuntimeError(
        .malformed, "expected dtype, shape and two data_offsets", field: name)
    }
    return RawTensor(
      name: name, datatype: datatype, shape: shape, begin: offsets[0], end: offsets[1])
  }

  private mutating func strings() throws(RuntimeError) -> [String: String] {
    var result: [String: String] = [:]
    try expect("{")
    if take("}") { return result }
    repeat {
      let key = try string()
      try expect(":")
      guard result.updateValue(try string(), forKey: key) == nil else {
        throw failure("__metadata__ has the key \"\(key.prefix(64))\" twice")
      }
    } while take(",")
    try expect("}")
    return result
  }

  private mutating func integers(atMost limit: Int) throws(RuntimeError) -> [Int] {
    var result: [Int] = []
    try expect("[")
    if take("]") { return result }
    repeat {
      guard result.count < limit else { throw failure("expected at most \(limit) numbers") }
      result.append(try integer())
    } while take(",")
    try expect("]")
    return result
  }

  /// A non-negative integer without sign, fraction, exponent or leading zero.
  private mutating func integer() throws(RuntimeError) -> Int {
    skipSpace()
    let start = position
    var value = 0
    while position < bytes.count, case let digit = bytes[position], (48...57).contains(digit) {
      let (shifted, over) = value.multipliedReportingOverflow(by: 10)
      let (next, carry) = shifted.addingReportingOverflow(Int(digit - 48))
      guard !over, !carry else { throw failure("a number does not fit in 64 bits") }
      value = next
      position += 1
    }
    guard position > start, position == start + 1 || bytes[start] != 48 else {
      throw failure("expected a non-negative integer")
    }
    return value
  }

  private mutating func string() throws(RuntimeError) -> String {
    try expect("\"")
    var content: [UInt8] = []
    while true {
      guard position < bytes.count else { throw failure("a string does not end") }
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: content, as: UTF8.self) else {
          throw failure("a string is not UTF-8")
        }
        return text
      case UInt8(ascii: "\\"): content.append(contentsOf: String(try escape()).utf8)
      case 0..<0x20: throw failure("a control character in a string")
      default: content.append(byte)
      }
    }
  }

  private mutating func escape() throws(RuntimeError) -> Unicode.Scalar {
    guard position < bytes.count else { throw failure("a string does not end") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw failure("an unknown escape in a string")
    }
    let unit = try hexadecimal()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    // A surrogate pair, RFC 8259 §7.
    guard (0xD800..<0xDC00).contains(unit), position + 1 < bytes.count,
      bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
    else { throw failure("half a surrogate pair in a string") }
    position += 2
    let low = try hexadecimal()
    guard (0xDC00..<0xE000).contains(low),
      let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
    else { throw failure("half a surrogate pair in a string") }
    return scalar
  }

  private mutating func hexadecimal() throws(RuntimeError) -> UInt32 {
    guard position + 4 <= bytes.count else { throw failure("a string does not end") }
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue,
        bytes[position] < 0x80
      else { throw failure("expected four hexadecimal digits after \\u") }
      value = value << 4 + UInt32(digit)
      position += 1
    }
    return value
  }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
      position += 1
    }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(RuntimeError) {
    guard take(character) else { throw failure("expected \(character)") }
  }

  private func failure(_ what: String) -> RuntimeError {
    RuntimeError(.malformed, "safetensors header, byte \(position): \(what)")
  }
}
