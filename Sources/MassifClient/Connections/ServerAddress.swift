// SPDX-License-Identifier: Apache-2.0

/// Where a server listens: a host name or an IP address, and a port.
public struct ServerAddress: Sendable, Hashable, LosslessStringConvertible {
  /// The port of Massif's gRPC service.
  public static let defaultPort = 8001

  /// A name or an address, an IPv6 address without brackets.
  ///
  /// The server's certificate must be for it.
  public let host: String
  /// 1...65535.
  public let port: Int

  /// Makes an address of its parts.
  public init(host: String, port: Int = ServerAddress.defaultPort) {
    self.host = host
    self.port = port
  }

  /// Reads `host`, `host:port`, `[::1]:port`; nil for anything else.
  public init?(_ text: String) {
    let host: Substring
    let rest: Substring
    if text.first == "[" {
      guard let end = text.firstIndex(of: "]") else { return nil }
      host = text[text.index(after: text.startIndex)..<end]
      rest = text[text.index(after: end)...]
    } else {
      let end = text.firstIndex(of: ":") ?? text.endIndex
      host = text[..<end]
      rest = text[end...]
    }
    guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
    if rest.isEmpty {
      self.init(host: String(host))
    } else {
      guard rest.first == ":", let port = UInt16(rest.dropFirst()), port > 0 else { return nil }
      self.init(host: String(host), port: Int(port))
    }
  }

  /// `host:port`, an IPv6 address in brackets.
  public var description: String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
