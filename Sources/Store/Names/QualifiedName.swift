// SPDX-License-Identifier: Apache-2.0

/// A name within a team, written `team/name`.
public struct QualifiedName: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The team that owns it.
  public let team: ResourceName
  /// The name within the team.
  public let name: ResourceName

  /// Makes a name.
  public init(team: ResourceName, name: ResourceName) {
    self.team = team
    self.name = name
  }

  /// Parses `team/name`, or `name` alone, which then belongs to `defaultTeam`.
  ///
  /// - Throws: `.invalidArgument` that says what a name looks like.
  public init(
    parsing text: some StringProtocol, defaultTeam: ResourceName?
  ) throws(StoreError) {
    let separator = UInt8(ascii: "/")
    if let slash = text.utf8.firstIndex(of: separator) {
      if let team = ResourceName(text[..<slash]),
        let name = ResourceName(text[text.utf8.index(after: slash)...])
      {
        self.init(team: team, name: name)
        return
      }
    } else if let team = defaultTeam, let name = ResourceName(text) {
      self.init(team: team, name: name)
      return
    }
    throw StoreError(
      .invalidArgument,
      "expected [team/]name, each of 1 to \(ResourceName.maxByteCount) letters, digits, '.', '_' and"
        + " '-' with a letter or digit first, came \(Self.quoted(text))")
  }

  /// `team/name`.
  public var description: String { "\(team)/\(name)" }

  /// Orders by team, then by name.
  public static func < (left: QualifiedName, right: QualifiedName) -> Bool {
    (left.team, left.name) < (right.team, right.name)
  }

  /// A peer's text for a message: escaped and cut, so that it cannot forge or flood a log line.
  private static func quoted(_ text: some StringProtocol) -> String {
    let limit = 64
    let head = text.unicodeScalars.prefix(limit).map { $0.escaped(asASCII: true) }.joined()
    return "\"\(head)\(text.unicodeScalars.count > limit ? "..." : "")\""
  }
}

extension QualifiedName: Codable {
  /// Decodes a string `team/name`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    try self.init(parsing: container.decode(String.self), defaultTeam: nil)
  }

  /// Encodes `team/name`.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
