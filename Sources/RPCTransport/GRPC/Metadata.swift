// SPDX-License-Identifier: Apache-2.0

/// The custom headers of a call, in their order; names are lower case and may repeat.
///
/// Values of names that end in `-bin` are bytes (base64 on the wire only); all others are printable
/// ASCII. Names that gRPC and HTTP/2 keep for themselves are never in metadata that was received,
/// and are refused in metadata that is to be sent.
public struct Metadata: Sendable, Hashable {
  /// What stands behind a name.
  public enum Content: Sendable, Hashable {
    /// Printable ASCII.
    case string(String)
    /// Any bytes.
    case binary([UInt8])
  }

  /// A name and its value.
  public struct Entry: Sendable, Hashable {
    /// The name, lower case.
    public let key: String
    /// The value.
    public let value: Content
  }

  private var entries: [Entry] = []

  /// Makes empty metadata; allocates nothing.
  public init() {}

  /// The first text value under a name, or nil.
  ///
  /// Linear in the number of entries.
  public subscript(key: String) -> String? {
    for entry in entries where entry.key == key {
      if case .string(let text) = entry.value { return text }
    }
    return nil
  }

  /// The first binary value under a name that ends in `-bin`, or nil.
  public subscript(binary key: String) -> [UInt8]? {
    for entry in entries where entry.key == key {
      if case .binary(let bytes) = entry.value { return bytes }
    }
    return nil
  }

  /// All text values under a name, in their order.
  public func values(for key: String) -> [String] {
    entries.compactMap {
      guard $0.key == key, case .string(let text) = $0.value else { return nil }
      return text
    }
  }

  /// Adds a text value.
  ///
  /// - Throws: `.invalidArgument` for a name that is not `[0-9a-z_.-]+`, is reserved or ends in
  ///   `-bin`, and for a value that is not printable ASCII.
  public mutating func append(_ value: String, for key: String) throws(TransportError) {
    try Metadata.check(key)
    guard !key.hasSuffix("-bin") else {
      throw TransportError(.invalidArgument, "metadata '\(key)': names in -bin take bytes")
    }
    guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 <= 0x7e }) else {
      throw TransportError(
        .invalidArgument, "metadata '\(key)': a text value is printable ASCII; use a -bin name")
    }
    entries.append(Entry(key: key, value: .string(value)))
  }

  /// Adds a binary value.
  ///
  /// - Throws: `.invalidArgument` for a name that is not `[0-9a-z_.-]+` or does not end in `-bin`.
  public mutating func append(binary value: [UInt8], for key: String) throws(TransportError) {
    try Metadata.check(key)
    guard key.hasSuffix("-bin") else {
      throw TransportError(.invalidArgument, "metadata '\(key)': bytes need a name in -bin")
    }
    entries.append(Entry(key: key, value: .binary(value)))
  }

  /// Adds the entries of other metadata behind its own.
  public mutating func append(contentsOf other: Metadata) {
    entries += other.entries
  }

  /// Removes every value under a name.
  public mutating func removeAll(_ key: String) {
    entries.removeAll { $0.key == key }
  }

  /// Adds an entry that came from the wire, or from another metadata, and was checked there.
  mutating func append(_ entry: Entry) {
    entries.append(entry)
  }

  private static func check(_ key: String) throws(TransportError) {
    let legal = key.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        true
      default: false
      }
    }
    guard legal, !key.isEmpty else {
      throw TransportError(
        .invalidArgument, "metadata '\(key)': a name is one or more of a-z 0-9 - _ .")
    }
    guard !isReserved(key) else {
      throw TransportError(
        .invalidArgument, "metadata '\(key)': the name is gRPC's or HTTP/2's own")
    }
  }

  /// Whether a name belongs to the protocol and not to its users.
  static func isReserved(_ key: String) -> Bool {
    switch key {
    case "te", "content-type", "content-length", "connection", "host", "transfer-encoding",
      "upgrade", "keep-alive", "proxy-connection", "grpc-timeout", "grpc-encoding",
      "grpc-accept-encoding", "grpc-message-type", "grpc-status", "grpc-message",
      "grpc-status-details-bin":
      true
    default: key.utf8.first == UInt8(ascii: ":")
    }
  }
}

extension Metadata: RandomAccessCollection {
  /// The first position.
  public var startIndex: Int { 0 }
  /// The position behind the last.
  public var endIndex: Int { entries.count }
  /// The entry at a position.
  public subscript(position: Int) -> Entry { entries[position] }
}

extension Metadata: ExpressibleByDictionaryLiteral {
  /// Makes metadata of text values.
  ///
  /// - Precondition: every pair could be appended with ``append(_:for:)``.
  public init(dictionaryLiteral elements: (String, String)...) {
    for (key, value) in elements {
      do { try append(value, for: key) } catch { preconditionFailure("\(error)") }
    }
  }
}
