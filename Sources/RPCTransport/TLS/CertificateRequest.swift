// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// When a certificate is good, in seconds since 1970, both ends included.
public struct CertificateValidity: Sendable, Hashable {
  /// The first second.
  public var notBefore: Int64
  /// The last second.
  public var notAfter: Int64

  /// Makes a validity; the end may lie in the past, which gives an expired certificate.
  public init(notBefore: Int64, notAfter: Int64) {
    self.notBefore = notBefore
    self.notAfter = notAfter
  }

  /// From an hour ago, so that a clock that is behind accepts it, until `days` after `now` (the
  /// system's clock where it is nil).
  public static func days(_ days: Int, from now: Int64? = nil) -> CertificateValidity {
    let now = now ?? Int64(time(nil))
    return CertificateValidity(notBefore: now - 3600, notAfter: now + Int64(days) * 86_400)
  }
}

/// What a certificate is to say: who it names, for which end of a connection, for how long.
public struct CertificateRequest: Sendable, Hashable {
  /// The end of a connection that the certificate is good for (the extended key usage).
  public enum Usage: Sendable, Hashable {
    case server
    case client
  }

  /// The end of a connection that it is good for.
  public var usage: Usage
  /// The subject's common name; for people, nothing is decided by it.
  public var commonName: String
  /// DNS names that a server answers to.
  public var dnsNames: [String] = []
  /// IPv4 and IPv6 addresses in numbers that a server answers to.
  public var ipAddresses: [String] = []
  /// URI names; a caller of Massif has exactly one, its SPIFFE identity.
  public var uriNames: [String] = []
  /// When it is good.
  public var validity: CertificateValidity

  /// A request for a server that answers to these names.
  public static func server(
    commonName: String = "massif server", dnsNames: [String], ipAddresses: [String] = [],
    validity: CertificateValidity
  ) -> CertificateRequest {
    var request = CertificateRequest(usage: .server, commonName: commonName, validity: validity)
    request.dnsNames = dnsNames
    request.ipAddresses = ipAddresses
    return request
  }

  /// A request for a client with these URI names: one for a caller, any number for a test.
  public static func client(
    commonName: String, uriNames: [String], validity: CertificateValidity
  ) -> CertificateRequest {
    var request = CertificateRequest(usage: .client, commonName: commonName, validity: validity)
    request.uriNames = uriNames
    return request
  }

  private init(usage: Usage, commonName: String, validity: CertificateValidity) {
    self.usage = usage
    self.commonName = commonName
    self.validity = validity
  }
}
