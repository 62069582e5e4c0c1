// SPDX-License-Identifier: Apache-2.0
public import RPCTransport
internal import Synchronization

/// A certificate authority for one test, with the files that it issues in a temporary directory.
///
/// The files live as long as this object.
public final class TestAuthority: Sendable {
  /// Where the files are.
  public let directory: TemporaryDirectory
  /// The authority itself, for certificates that the shortcuts below do not make.
  public let authority: CertificateAuthority
  private let issued = Mutex(0)

  /// Makes an authority and writes its certificate.
  public init() throws {
    directory = try TemporaryDirectory()
    authority = try CertificateAuthority(commonName: "massif test authority")
    try authority.certificateAndKey.write(
      certificatePath: directory.file("ca.pem"), privateKeyPath: directory.file("ca.key"))
  }

  /// The file of the authority's certificate.
  public var certificatePath: String { directory.file("ca.pem") }

  /// A server on loopback: `localhost`, `127.0.0.1` and `::1`.
  public func server(validity: CertificateValidity = .days(1)) throws -> TLSConfiguration {
    try issue(
      .server(
        dnsNames: ["localhost"], ipAddresses: ["127.0.0.1", "::1"], validity: validity))
  }

  /// A caller with the identity `spiffe://massif.test/team/<team>/<name>`.
  public func client(
    team: String = "vision", name: String = "alice", validity: CertificateValidity = .days(1)
  ) throws -> TLSConfiguration {
    try client(uriNames: ["spiffe://massif.test/team/\(team)/\(name)"], validity: validity)
  }

  /// A client with any number of URI names.
  public func client(
    uriNames: [String], validity: CertificateValidity = .days(1)
  ) throws -> TLSConfiguration {
    try issue(.client(commonName: "test client", uriNames: uriNames, validity: validity))
  }

  /// Issues a certificate into the directory; it trusts this authority.
  public func issue(_ request: CertificateRequest) throws -> TLSConfiguration {
    let number = issued.withLock { count in
      count += 1
      return count
    }
    let configuration = TLSConfiguration(
      certificateChainPath: directory.file("\(number).pem"),
      privateKeyPath: directory.file("\(number).key"), trustRootsPath: certificatePath)
    try authority.issue(request).write(
      certificatePath: configuration.certificateChainPath,
      privateKeyPath: configuration.privateKeyPath)
    return configuration
  }
}

extension CertificateValidity {
  /// A validity that ended yesterday.
  public static var expired: CertificateValidity {
    let past = CertificateValidity.days(-1)
    return CertificateValidity(notBefore: past.notAfter - 86_400, notAfter: past.notAfter)
  }
}
