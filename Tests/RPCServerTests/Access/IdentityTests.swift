// SPDX-License-Identifier: Apache-2.0
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

  @Test func serverCertificateIsNoClientCertificate() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let tls = try fixture.authority.server()
      await #expect(throws: TransportError.self) { try await fixture.connect(tls) }
    }
  }
}
