// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import TestSupport
import Testing

struct AccessLogTests {
  @Test func controlPlaneCallsAreLoggedAndDataPlaneCallsAreNot() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect()
      _ = try await client.echo("/t.Echo/Inline")
      _ = try await client.echo("/t.Echo/Unary", metadata: ["x-request-id": "mine"])
      let lines = try await fixture.log.wait(count: 1)
      #expect(lines.count == 1)
      #expect(lines[0].hasPrefix("info call method=/t.Echo/Unary ms="))
      #expect(
        lines[0].hasSuffix(
          "principal=spiffe://massif.test/team/vision/alice request_id=mine status=OK"))
    }
  }

  @Test func everythingIsLoggedWhereThatIsAskedFor() async throws {
    try await LoopbackServer.run(.echo, configure: { $0.accessLogging = .everything }) {
      _ = try await $0.connect().echo("/t.Echo/Inline")
      #expect(try await $0.log.wait(count: 1)[0].contains("method=/t.Echo/Inline"))
    }
  }

  @Test func refusedCallsAreLogged() async throws {
    var router = Router()
    router.register(unary: "/t.S/Administer", requires: .administer) { _, _ in
      OutgoingMessage(head: nil)
    }
    try await LoopbackServer.run(router) { fixture in
      _ = await (try fixture.connect()).failure("/t.S/Administer")
      let line = try await fixture.log.wait(count: 1)[0]
      #expect(line.contains("method=/t.S/Administer"))
      #expect(line.hasSuffix("status=PERMISSION_DENIED"))
    }
  }

  @Test func nothingIsLoggedWhereThatIsAskedFor() async throws {
    try await LoopbackServer.run(.echo, configure: { $0.accessLogging = .off }) { fixture in
      _ = try await fixture.connect().echo("/t.Echo/Unary")
      try await fixture.ended.wait(count: 1)
      #expect(fixture.log.events.isEmpty)
    }
  }

  @Test func connectionWithoutAnIdentityIsLogged() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect(fixture.authority.client(uriNames: []))
      _ = await client.failure("/t.Echo/Unary")
      let line = try await fixture.log.wait(count: 1)[0]
      #expect(line.hasPrefix("notice connection without an identity peer=127.0.0.1:"))
    }
  }
}
