// SPDX-License-Identifier: Apache-2.0

/// How the bytes of compressed messages are encoded (`grpc-encoding`, grpc/compression.md).
public enum MessageEncoding: UInt8, Sendable, Hashable, CaseIterable {
  /// Not compressed.
  case identity
  /// RFC 1952.
  case gzip
  /// RFC 1950: zlib's own format, which HTTP calls deflate.
  case deflate

  /// Reads a header's value; nil for an encoding that this library does not know.
  init?(header: UnsafeRawBufferPointer) {
    for encoding in MessageEncoding.allCases where header.equals(encoding.name) {
      self = encoding
      return
    }
    return nil
  }

  /// The name on the wire.
  var name: StaticString {
    switch self {
    case .identity: "identity"
    case .gzip: "gzip"
    case .deflate: "deflate"
    }
  }
}

/// The encodings that the other end accepts, `identity` aside, which everybody does.
public struct MessageEncodings: OptionSet, Sendable, Hashable {
  /// One bit an encoding.
  public let rawValue: UInt8

  /// Makes a set of its bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// RFC 1952.
  public static let gzip = MessageEncodings(rawValue: 1 << MessageEncoding.gzip.rawValue)
  /// RFC 1950.
  public static let deflate = MessageEncodings(rawValue: 1 << MessageEncoding.deflate.rawValue)

  /// What this library says that it accepts.
  static let acceptedHeader: StaticString = "identity,gzip,deflate"

  /// Reads a `grpc-accept-encoding`, of which unknown names are left out.
  init(header: UnsafeRawBufferPointer) {
    self = []
    for part in header.split(separator: UInt8(ascii: ",")) {
      let spaceless = part.drop { $0 == UInt8(ascii: " ") }
      let end = spaceless.lastIndex { $0 != UInt8(ascii: " ") }.map { $0 + 1 }
      let name = UnsafeRawBufferPointer(
        rebasing: spaceless.prefix(upTo: end ?? spaceless.startIndex))
      guard let encoding = MessageEncoding(header: name), encoding != .identity else { continue }
      insert(MessageEncodings(rawValue: 1 << encoding.rawValue))
    }
  }

  /// The encoding to send with; `.identity` where the other end accepts no other.
  var preferred: MessageEncoding {
    if contains(.gzip) { return .gzip }
    return contains(.deflate) ? .deflate : .identity
  }
}
