// SPDX-License-Identifier: Apache-2.0
import Foundation
import RPCServer
import RPCTransport
import TestSupport
import Testing

/// Who may connect, and as whom: nothing of these clients reaches a handler.
struct IdentityTests {
  @Test(arguments: [
    [],
    ["spiffe://massif.test/team/vision/alice", "spiffe://massif.test/team/admin/root"],
    ["spiffe://massif.test/team/vision/alice", "https://massif.test/team/vision/alice"],
    ["https://massif.test/team/vision/alice"],
    ["spiffe://massif.test/team/vision"],
    ["spiffe://massif.test/team/vision/alice/x"],
    ["spiffe://massif.test/team/vis%69on/alice"],
    ["spiffe://MASSIF.test/team/vision/alice"],
  ])
  func certificateWithoutExactlyOneIdentityIsUnauthenticated(names: [String]) async throws {
    let router = Router.echo
    try await LoopbackServer.run(router) { fixture in
      let client = try await fixture.connect(fixture.authority.client(uriNames: names))
      for method in router.methods {
        let outcome = await client.call(CallHead(path: method.name.path)).outcome()
        #expect(outcome.status.code == .unauthenticated)
        #expect(outcome.status.message.contains("spiffe://<trust-domain>/team/<team>/<name>"))
      }
      #expect(await client.failure("/t.Echo/Unheard").status.code == .unauthenticated)
      #expect(fixture.ended.events.isEmpty)
    }
  }

  @Test func certificateOfAnotherAuthorityDoesNotConnect() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let other = try TestAuthority()
      var tls = try other.client()
      tls.trustRootsPath = fixture.authority.certificatePath
      await #expect(throws: TransportError.self) { try await fixture.connect(tls) }
      // The server is none the worse for it.
      #expect(try await fixture.connect().echo("/t.Echo/Inline") == "hello")
    }
  }

  @Test func expiredCertificateDoesNotConnect() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let tls = try fixture.authority.client(validity: .expired)
      await #expect(throws: TransportError.self) { try await fixture.connect(tls) }
    }
  }

  /// By another program, because no client of ours can do without a certificate.
  @Test(arguments: ["-tls1_2", "-tls1_3"])
  func clientWithoutACertificateDoesNotConnect(version: String) async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let process = Process()
      let output = Pipe()
      process.executableURL = URL(filePath: "/usr/bin/env")
      // -ign_eof: to read until the server ends it, not until standard input does.
      process.arguments = [
        "openssl", "s_client", "-connect", "\(fixture.address)", version, "-alpn", "h2",
        "-CAfile", fixture.authority.certificatePath, "-ign_eof",
      ]
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      process.standardError = output
      try process.run()
      let text = String(
        decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus != 0)
      // certificate_required in TLS 1.3, handshake_failure before.
      #expect(text.contains("SSL alert number \(version == "-tls1_3" ? 116 : 40)"))
      #expect(fixture.ended.events.isEmpty)
    }
  }

  @Test func serverCertificateIsNoClientCertificate() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let tls = try fixture.authority.server()
      await #expect(throws: TransportError.self) { try await fixture.connect(tls) }
    }
  }
}
