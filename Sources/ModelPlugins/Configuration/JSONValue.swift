// SPDX-License-Identifier: Apache-2.0

/// A JSON text read with bounds: no duplicate keys, no deep nesting, no invalid UTF-8.
///
/// Foundation's decoder forgets duplicate keys and says only roughly where a value is wrong.
enum JSONValue: Sendable, Hashable {
  case null
  case bool(Bool)
  /// The value, and the text for whoever wants an exact integer.
  case number(Double, text: String)
  case string(String)
  case array([JSONValue])
  /// The members in their order; no key comes twice.
  case object([Member])

  /// A member of an object.
  struct Member: Sendable, Hashable {
    var key: String
    var value: JSONValue
  }

  /// Deeper than any configuration, and far from the end of the stack.
  static let maxDepth = 16

  /// Reads a whole text.
  ///
  /// - Parameter name: what the text is, for the message.
  /// - Throws: `.invalidArgument` with the offset of the byte that is wrong.
  init(parsing text: String, name: String) throws(PluginError) {
    var parser = JSONParser(text)
    do throws(JSONParser.Failure) {
      self = try parser.parse()
    } catch {
      throw PluginError(
        field: name, "expected JSON: \(error.expectation), at byte \(error.offset)")
    }
  }

  /// The value as it is shown in a message: short, and on one line.
  var excerpt: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(_, let text): text.count > 32 ? text.prefix(32) + "…" : text
    case .string(let value):
      "\"" + value.prefix(32).map { $0.isNewline ? " " : String($0) }.joined()
        + (value.count > 32 ? "…\"" : "\"")
    case .array: "an array"
    case .object: "an object"
    }
  }
}

/// Reads RFC 8259 JSON from bytes.
private struct JSONParser {
  struct Failure: Error {
    var expectation: String
    var offset: Int
  }

  private let bytes: [UInt8]
  private var position = 0

  init(_ text: String) {
    bytes = Array(text.utf8)
  }

  mutating func parse() throws(Failure) -> JSONValue {
    let value = try value(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw failure("the end of the text") }
    return value
  }

  private func failure(_ expectation: String) -> Failure {
    Failure(expectation: expectation, offset: position)
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  /// Takes the byte if it comes next, after space.
  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func value(depth: Int) throws(Failure) -> JSONValue {
    guard depth < JSONValue.maxDepth else {
      throw failure("at most \(JSONValue.maxDepth) levels of nesting")
    }
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default: return try number()
    }
  }

  private mutating func object(depth: Int) throws(Failure) -> JSONValue {
    position += 1
    var members: [JSONValue.Member] = []
    var keys: Set<String> = []
    if take("}") { return .object(members) }
    repeat {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw failure("a key in quotation marks") }
      let start = position
      let key = try string()
      guard keys.insert(key).inserted else {
        throw Failure(expectation: "each key once, came a second \"\(key)\"", offset: start)
      }
      guard take(":") else { throw failure("':' after a key") }
      members.append(JSONValue.Member(key: key, value: try value(depth: depth + 1)))
    } while take(",")
    guard take("}") else { throw failure("',' or '}'") }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(Failure) -> JSONValue {
    position += 1
    var elements: [JSONValue] = []
    if take("]") { return .array(elements) }
    repeat {
      elements.append(try value(depth: depth + 1))
    } while take(",")
    guard take("]") else { throw failure("',' or ']'") }
    return .array(elements)
  }

  private mutating func literal(_ text: String, _ value: JSONValue) throws(Failure) -> JSONValue {
    guard bytes[position...].starts(with: text.utf8) else { throw failure("a value") }
    position += text.utf8.count
    return value
  }

  private mutating func number() throws(Failure) -> JSONValue {
    let start = position
    if next == UInt8(ascii: "-") { position += 1 }
    let first = next
    let count = digits()
    guard count > 0 else {
      position = start
      throw failure("a value")
    }
    guard first != UInt8(ascii: "0") || count == 1 else {
      throw failure("a number without leading zeros")
    }
    if next == UInt8(ascii: ".") {
      position += 1
      guard digits() > 0 else { throw failure("a digit after the decimal point") }
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      position += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
      guard digits() > 0 else { throw failure("a digit in the exponent") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let value = Double(text), value.isFinite else {
      throw failure("a number that a double can hold")
    }
    return .number(value, text: text)
  }

  private mutating func digits() -> Int {
    let start = position
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    return position - start
  }

  private mutating func string() throws(Failure) -> String {
    position += 1
    var utf8: [UInt8] = []
    while let byte = next {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: utf8, as: UTF8.self) else {
          throw failure("valid UTF-8 in a string")
        }
        return text
      case UInt8(ascii: "\\"): utf8.append(contentsOf: Array(String(try escape()).utf8))
      case 0..<0x20: throw failure("no control character in a string")
      default: utf8.append(byte)
      }
    }
    throw failure("the end of a string")
  }

  private mutating func escape() throws(Failure) -> Unicode.Scalar {
    guard let byte = next else { throw failure("an escape") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try unicodeEscape()
    default: throw failure("one of the escapes of JSON")
    }
  }

  private mutating func unicodeEscape() throws(Failure) -> Unicode.Scalar {
    let unit = try hexadecimal()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    // A surrogate: the second half must follow.
    guard unit < 0xDC00, next == UInt8(ascii: "\\") else { throw failure("a surrogate pair") }
    position += 1
    guard next == UInt8(ascii: "u") else { throw failure("a surrogate pair") }
    position += 1
    let low = try hexadecimal()
    guard (0xDC00...0xDFFF).contains(low),
      let scalar = Unicode.Scalar(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
    else { throw failure("a surrogate pair") }
    return scalar
  }

  private mutating func hexadecimal() throws(Failure) -> UInt32 {
    let digits = bytes[position...].prefix(4)
    // Digits alone: Swift's integers would take a sign as well.
    guard digits.count == 4,
      digits.allSatisfy({ $0 < 0x80 && Character(Unicode.Scalar($0)).isHexDigit }),
      let unit = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw failure("four hexadecimal digits") }
    position += 4
    return unit
  }
}
