// SPDX-License-Identifier: Apache-2.0
import Foundation
import RPCServer
import RPCTransport
import TestSupport
import Testing

/// Certificates and revocation lists that change while a server runs.
@Suite struct CertificateReloadTests {
  private let authority: TestAuthority
  private let list: String

  init() throws {
    authority = try TestAuthority()
    list = authority.directory.file("crl.pem")
    try writeList(revoking: [])
  }

  /// Replaces a file as a certificate manager does: another one under the same name.
  private func replace(_ path: String, with bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(filePath: path), options: .atomic)
  }

  private func writeList(revoking clients: [TLSConfiguration]) throws {
    let bytes = try authority.authority.revocationList(
      revoking: clients.map(\.certificateChainPath), validity: .days(1))
    try replace(list, with: bytes)
  }

  @Test func aRevokedClientIsClosedAndOthersLoseNothing() async throws {
    let revoked = try authority.client(name: "mallory")
    try await LoopbackServer.run(
      .echo, authority: authority,
      configure: { [list] in
        $0.tls.revocationListPath = list
        $0.certificateCheckInterval = .seconds(3600)
      }
    ) { fixture in
      let good = try await fixture.connect()
      let bad = try await fixture.connect(revoked)
      #expect(try await bad.echo("/t.Echo/Unary") == "hello")
      let calls = Task {
        while !Task.isCancelled { _ = try await good.echo("/t.Echo/Inline") }
      }
      try writeList(revoking: [revoked])
      #expect(try await bad.echo("/t.Echo/Unary") == "hello", "nobody has asked for a reload")
      fixture.server.reloadCertificates()
      let lines = try await fixture.log.wait { $0.contains { $0.contains("is to end") } }
      #expect(lines.contains { $0.contains("revoked") && $0.contains("/team/vision/mallory") })
      #expect(await bad.failure("/t.Echo/Unary").status.code == .unavailable)
      await #expect(throws: TransportError.self) { try await fixture.connect(revoked) }
      #expect(try await good.echo("/t.Echo/Unary") == "hello")
      calls.cancel()
      _ = await calls.result
      #expect(fixture.ended.events.allSatisfy { $0.code == .ok || $0.code == .cancelled })
    }
  }

  @Test func changedFilesAreNoticedAndBrokenOnesAreNotUsed() async throws {
    try await LoopbackServer.run(
      .echo, authority: authority,
      configure: { [list] in
        $0.tls.revocationListPath = list
        $0.certificateCheckInterval = .milliseconds(10)
      }
    ) { fixture in
      let client = try await fixture.connect()
      let good = try Data(contentsOf: URL(filePath: list))
      try replace(list, with: Array("not a list".utf8))
      try await fixture.log.wait { $0.contains { $0.contains("cannot be used") } }
      #expect(fixture.log.events.contains { $0.contains(list) })
      #expect(try await fixture.connect().echo("/t.Echo/Unary") == "hello")
      try replace(list, with: Array(good))
      try await fixture.log.wait { $0.contains { $0.contains("read anew") } }
      #expect(try await fixture.connect().echo("/t.Echo/Unary") == "hello")
      #expect(try await client.echo("/t.Echo/Unary") == "hello")
    }
  }
}
