// SPDX-License-Identifier: Apache-2.0
import Foundation
import RPCTransport
import TestSupport
import Testing

/// The certificates are judged by another program, `openssl`, as clients in other languages would.
struct CertificateAuthorityTests {
  let directory: TemporaryDirectory
  let authority: CertificateAuthority

  init() throws {
    directory = try TemporaryDirectory()
    authority = try CertificateAuthority()
    try authority.certificateAndKey.write(
      certificatePath: directory.file("ca.pem"), privateKeyPath: directory.file("ca.key"))
  }

  @Test func rootIsAnAuthorityAndMaySignOnlyLeaves() throws {
    let text = try openssl("x509", "-in", directory.file("ca.pem"), "-noout", "-text").output
    #expect(text.contains("CA:TRUE, pathlen:0"))
    #expect(text.contains("Certificate Sign, CRL Sign"))
    #expect(text.contains("Version: 3"))
    #expect(text.contains("NIST CURVE: P-256"))
  }

  @Test func serverCertificateNamesItsHosts() throws {
    try issue(
      .server(
        dnsNames: ["localhost", "massif.example"], ipAddresses: ["127.0.0.1", "::1"],
        validity: .days(2)))
    let text = try openssl("x509", "-in", directory.file("leaf.pem"), "-noout", "-text").output
    #expect(text.contains("DNS:localhost, DNS:massif.example, IP Address:127.0.0.1"))
    #expect(text.contains("IP Address:0:0:0:0:0:0:0:1"))
    #expect(text.contains("TLS Web Server Authentication"))
    #expect(!text.contains("TLS Web Client Authentication"))
    #expect(text.contains("CA:FALSE"))
    #expect(try verifies(purpose: "sslserver"))
    #expect(try !verifies(purpose: "sslclient"))
  }

  @Test(arguments: [0, 1, 2])
  func clientCertificateHasAsManyURIsAsAskedFor(count: Int) throws {
    let names = (0..<count).map { "spiffe://massif.test/team/vision/\($0)" }
    try issue(.client(commonName: "client", uriNames: names, validity: .days(2)))
    let text = try openssl("x509", "-in", directory.file("leaf.pem"), "-noout", "-text").output
    #expect(text.components(separatedBy: "URI:").count - 1 == count)
    for name in names { #expect(text.contains("URI:\(name)")) }
    #expect(try verifies(purpose: "sslclient"))
    #expect(try !verifies(purpose: "sslserver"))
  }

  @Test func aCommaInANameStaysInTheName() throws {
    try issue(
      .client(commonName: "client", uriNames: ["spiffe://a/b,URI:spiffe://c"], validity: .days(2)))
    let asn1 = try openssl("asn1parse", "-in", directory.file("leaf.pem")).output
    #expect(asn1.contains("X509v3 Subject Alternative Name"))
    // 2 bytes of SEQUENCE, 2 of the one name, then its 27 bytes.
    #expect(asn1.contains("[HEX DUMP]:301D861B"))
  }

  @Test func expiredCertificateIsRefused() throws {
    try issue(.client(commonName: "client", uriNames: [], validity: .expired))
    #expect(try !verifies(purpose: "sslclient"))
  }

  @Test func anAuthorityReadFromItsFilesIssuesUnderTheSameRoot() throws {
    let again = try CertificateAuthority(
      certificatePath: directory.file("ca.pem"), privateKeyPath: directory.file("ca.key"))
    let request = CertificateRequest.client(commonName: "c", uriNames: [], validity: .days(1))
    try again.issue(request).write(
      certificatePath: directory.file("leaf.pem"), privateKeyPath: directory.file("leaf.key"))
    #expect(try verifies(purpose: "sslclient"))
  }

  @Test func leafIsNoAuthority() throws {
    try issue(.client(commonName: "client", uriNames: [], validity: .days(1)))
    #expect(throws: TransportError.self) {
      try CertificateAuthority(
        certificatePath: directory.file("leaf.pem"), privateKeyPath: directory.file("leaf.key"))
    }
    #expect(throws: TransportError.self) {
      try CertificateAuthority(
        certificatePath: directory.file("ca.pem"), privateKeyPath: directory.file("leaf.key"))
    }
  }

  @Test func keyIsReadableByItsOwnerOnly() throws {
    let attributes = try FileManager.default.attributesOfItem(atPath: directory.file("ca.key"))
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    let files = try FileManager.default.contentsOfDirectory(atPath: directory.path)
    #expect(files.sorted() == ["ca.key", "ca.pem"])
  }

  @Test func nothingIsOverwrittenUnlessAsked() throws {
    let before = try Data(contentsOf: URL(filePath: directory.file("ca.key")))
    let other = try CertificateAuthority()
    let files = (directory.file("ca.pem"), directory.file("ca.key"))
    let error = #expect(throws: TransportError.self) {
      try other.certificateAndKey.write(certificatePath: files.0, privateKeyPath: files.1)
    }
    #expect(error?.code == .certificate)
    #expect(try Data(contentsOf: URL(filePath: files.1)) == before)
    try other.certificateAndKey.write(
      certificatePath: files.0, privateKeyPath: files.1, overwriting: true)
    #expect(try Data(contentsOf: URL(filePath: files.1)) != before)
  }

  @Test(arguments: ["localhost", "300.1.1.1", ""])
  func addressThatIsNoneIsRefused(address: String) {
    let request = CertificateRequest.server(
      dnsNames: [], ipAddresses: [address], validity: .days(1))
    #expect(throws: TransportError.self) { try authority.issue(request) }
  }

  @Test(arguments: ["a b", "a\tb", "é", ""])
  func nameThatIsNotPlainASCIIIsRefused(name: String) {
    let request = CertificateRequest.client(
      commonName: "c", uriNames: [name], validity: .days(1))
    #expect(throws: TransportError.self) { try authority.issue(request) }
  }

  private func issue(_ request: CertificateRequest) throws {
    try authority.issue(request).write(
      certificatePath: directory.file("leaf.pem"), privateKeyPath: directory.file("leaf.key"))
  }

  private func verifies(purpose: String) throws -> Bool {
    try openssl(
      "verify", "-x509_strict", "-purpose", purpose, "-CAfile", directory.file("ca.pem"),
      directory.file("leaf.pem")
    ).status == 0
  }

  private func openssl(_ arguments: String...) throws -> (status: Int32, output: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}
