// SPDX-License-Identifier: Apache-2.0

/// A SHA-256 digest.
public struct Digest: Sendable, Hashable, CustomStringConvertible {
  /// How many bytes a digest has.
  public static let byteCount = 32

  /// 64 lower-case hexadecimal digits.
  public let hexadecimal: String

  /// Makes a digest of its 32 bytes.
  ///
  /// Nil for any other number of them.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    hexadecimal = Hexadecimal.encode(bytes)
  }

  /// Parses 64 lower-case hexadecimal digits.
  public init?(hexadecimal: String) {
    guard hexadecimal.utf8.count == 2 * Self.byteCount,
      hexadecimal.utf8.allSatisfy(Hexadecimal.isDigit)
    else { return nil }
    self.hexadecimal = hexadecimal
  }

  /// The 64 hexadecimal digits.
  public var description: String { hexadecimal }

  /// The digest as the name of a file.
  var fileName: ResourceName {
    guard let name = ResourceName(hexadecimal) else {
      preconditionFailure("hexadecimal digits make a resource name")
    }
    return name
  }
}

extension Digest: Codable {
  /// Decodes 64 hexadecimal digits.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let digest = Digest(hexadecimal: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "not a SHA-256 digest")
    }
    self = digest
  }

  /// Encodes the 64 digits.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(hexadecimal)
  }
}

/// Base 16, in lower case.
enum Hexadecimal {
  private static let digits = Array("0123456789abcdef".utf8)

  static func encode(_ bytes: some Collection<UInt8>) -> String {
    String(unsafeUninitializedCapacity: bytes.count * 2) { buffer in
      var index = 0
      for byte in bytes {
        buffer[index] = digits[Int(byte >> 4)]
        buffer[index + 1] = digits[Int(byte & 15)]
        index += 2
      }
      return index
    }
  }

  static func isDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
    default: false
    }
  }
}
