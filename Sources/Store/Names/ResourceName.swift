// SPDX-License-Identifier: Apache-2.0

/// A name of a team, model, data set, plugin, alias or artifact: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
///
/// Parsed once, at the edge. A value of this type is always a single, harmless path component: it has
/// no separator, is neither `.` nor `..`, and is plain ASCII, so that no two names look alike.
public struct ResourceName: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The most bytes that a name has.
  public static let maxByteCount = 128

  /// The name as text.
  public let description: String

  /// Parses a name.
  ///
  /// Nil when it does not match the grammar.
  public init?(_ text: some StringProtocol) {
    let bytes = text.utf8
    guard let first = bytes.first, Self.isAlphanumeric(first), bytes.count <= Self.maxByteCount,
      bytes.allSatisfy(Self.isAllowed)
    else { return nil }
    description = String(text)
  }

  /// Makes a name of a literal.
  ///
  /// - Precondition: the literal matches the grammar.
  public init(literal: StaticString) {
    guard let name = ResourceName("\(literal)") else {
      preconditionFailure("\(literal) is not a resource name")
    }
    self = name
  }

  /// Orders by bytes.
  public static func < (left: ResourceName, right: ResourceName) -> Bool {
    left.description < right.description
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    isAlphanumeric(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
      || byte == UInt8(ascii: "-")
  }
}

extension ResourceName: Codable {
  /// Decodes a string and parses it.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let name = ResourceName(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "not a resource name")
    }
    self = name
  }

  /// Encodes the text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
