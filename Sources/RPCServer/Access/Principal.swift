// SPDX-License-Identifier: Apache-2.0
public import RPCTransport

/// Who calls: a member of a team, as the one SPIFFE identity of its client certificate says.
public struct Principal: Sendable, Hashable, CustomStringConvertible {
  /// The organisation that vouches for the identity, lower case.
  public let trustDomain: String
  /// The team.
  public let team: String
  /// The member of the team: a person or a program.
  public let name: String

  /// SPIFFE's own bound on an identity (SPIFFE-ID §2.3), in bytes.
  private static let maxIdentityLength = 2048
  private static let maxTrustDomainLength = 255

  /// Makes a principal of its parts.
  ///
  /// - Throws: `.unauthenticated` where a part breaks its grammar; see ``init(spiffeID:)``.
  public init(trustDomain: String, team: String, name: String) throws(RPCError) {
    try self.init(spiffeID: "spiffe://\(trustDomain)/team/\(team)/\(name)")
  }

  /// Reads `spiffe://<trust-domain>/team/<team>/<name>`, and nothing else.
  ///
  /// A trust domain is lower-case letters, digits, `.`, `-` and `_`; a team and a name are
  /// `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`. There is no escape, port, query or fragment, so that an
  /// identity is written in one way only and may be compared byte by byte.
  ///
  /// - Throws: `.unauthenticated` for everything else.
  public init(spiffeID: String) throws(RPCError) {
    guard let parsed = Principal.parse(spiffeID) else {
      throw RPCError(
        .unauthenticated,
        "the certificate's URI name is not an identity: spiffe://<trust-domain>/team/<team>/<name> "
          + "was expected")
    }
    self = parsed
  }

  /// Takes the identity from the URI names of a certificate, of which there must be exactly one.
  ///
  /// A second one is refused even where one of them is well-formed: which of two identities a
  /// program sees must not depend on their order.
  ///
  /// - Throws: `.unauthenticated` where there is none, more than one, or one that is no identity.
  public init(uriNames: [String]) throws(RPCError) {
    guard let first = uriNames.first, uriNames.count == 1 else {
      throw RPCError(
        .unauthenticated,
        "the certificate has \(uriNames.count) URI names: exactly one was expected, "
          + "spiffe://<trust-domain>/team/<team>/<name>")
    }
    try self.init(spiffeID: first)
  }

  /// Takes the identity from a verified certificate.
  ///
  /// - Throws: `.unauthenticated`, as ``init(uriNames:)``.
  public init(_ certificate: PeerCertificate) throws(RPCError) {
    try self.init(uriNames: certificate.uriNames)
  }

  private init(trustDomain: Substring, team: Substring, name: Substring) {
    self.trustDomain = String(trustDomain)
    self.team = String(team)
    self.name = String(name)
  }

  /// The identity as the certificate spells it.
  public var spiffeID: String { "spiffe://\(trustDomain)/team/\(team)/\(name)" }

  /// The identity.
  public var description: String { spiffeID }

  private static func parse(_ text: String) -> Principal? {
    guard text.utf8.count <= maxIdentityLength else { return nil }
    // "spiffe:", "", trust domain, "team", team, name
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[0] == "spiffe:", parts[1].isEmpty, parts[3] == "team",
      isTrustDomain(parts[2]), ResourceGrammar.isName(parts[4]), ResourceGrammar.isName(parts[5])
    else { return nil }
    return Principal(trustDomain: parts[2], team: parts[4], name: parts[5])
  }

  private static func isTrustDomain(_ text: Substring) -> Bool {
    guard (1...maxTrustDomainLength).contains(text.utf8.count) else { return false }
    return text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }
}

/// The one grammar of names: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
enum ResourceGrammar {
  private static let maxLength = 128

  static func isName(_ text: Substring) -> Bool {
    guard let first = text.utf8.first, text.utf8.count <= maxLength, isAlphanumeric(first) else {
      return false
    }
    return text.utf8.allSatisfy { byte in
      isAlphanumeric(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
        || byte == UInt8(ascii: "_")
    }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }
}
