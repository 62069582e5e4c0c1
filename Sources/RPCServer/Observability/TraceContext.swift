// SPDX-License-Identifier: Apache-2.0
public import RPCTransport

/// Where a call stands in a trace that its client began: W3C Trace Context, version 00
/// (w3.org/TR/trace-context).
public struct TraceContext: Sendable, Hashable {
  /// The trace, 32 lower-case hexadecimal digits.
  public let traceID: String
  /// The client's span, of which this call is a child: 16 lower-case hexadecimal digits.
  public let parentID: String
  /// The flags, two hexadecimal digits; the lowest bit says that the trace is recorded.
  public let flags: String

  /// The header of the context.
  public static let header = "traceparent"

  /// Reads the context from a call's metadata; nil where there is none, or more than one, or one
  /// that is malformed, which is then ignored as the standard asks.
  public init?(_ metadata: Metadata) {
    guard !metadata.isEmpty else { return nil }
    var found: String?
    for entry in metadata where entry.key == Self.header {
      guard found == nil, case .string(let text) = entry.value else { return nil }
      found = text
    }
    guard let found else { return nil }
    self.init(found)
  }

  /// Reads `00-<trace-id>-<parent-id>-<flags>`; of a later version what version 00 knows.
  public init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count >= 4, Self.isHexadecimal(parts[0], 2), parts[0] != "ff",
      parts[0] != "00" || parts.count == 4,
      Self.isHexadecimal(parts[1], 32), parts[1].contains(where: { $0 != "0" }),
      Self.isHexadecimal(parts[2], 16), parts[2].contains(where: { $0 != "0" }),
      Self.isHexadecimal(parts[3], 2)
    else { return nil }
    traceID = String(parts[1])
    parentID = String(parts[2])
    flags = String(parts[3])
  }

  /// The header's value.
  public var text: String { "00-\(traceID)-\(parentID)-\(flags)" }

  private static func isHexadecimal(_ text: Substring, _ count: Int) -> Bool {
    text.utf8.count == count
      && text.utf8.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
  }
}
