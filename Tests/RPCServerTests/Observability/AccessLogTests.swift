// SPDX-License-Identifier: Apache-2.0
import Foundation
import RPCServer
import RPCTransport
import TestSupport
import Testing

struct AccessLogTests {
  /// A line's members; a line that is no JSON object fails the test.
  private func members(_ line: String) throws -> [String: Any] {
    let json = try #require(line.firstIndex(of: "{").map { String(line[$0...]) })
    return try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
  }

  @Test func controlPlaneCallsAreLoggedAndDataPlaneCallsAreNot() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect()
      _ = try await client.echo("/t.Echo/Inline")
      _ = try await client.echo(
        "/t.Echo/Unary",
        metadata: [
          "x-request-id": "mine", "authorization": "Bearer secret",
          "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ])
      let lines = try await fixture.log.wait(count: 1)
      #expect(lines.count == 1)
      #expect(!lines[0].contains("secret"))
      let line = try members(lines[0])
      #expect(line["method"] as? String == "/t.Echo/Unary")
      #expect(line["principal"] as? String == "spiffe://massif.test/team/vision/alice")
      #expect(line["request_id"] as? String == "mine")
      #expect(line["status"] as? String == "OK")
      #expect(line["trace_id"] as? String == "4bf92f3577b34da6a3ce929d0e0e4736")
      #expect(line["parent_id"] as? String == "00f067aa0ba902b7")
      #expect((line["peer"] as? String)?.hasPrefix("127.0.0.1:") == true)
      #expect((line["ms"] as? Double) ?? -1 >= 0)
      #expect((line["received_bytes"] as? Int) ?? 0 > 0)
      #expect(line["received_bytes"] as? Int == line["sent_bytes"] as? Int)
      let time = try #require(line["time"] as? String)
      #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
    }
  }

  @Test func everythingIsLoggedWhereThatIsAskedFor() async throws {
    try await LoopbackServer.run(.echo, configure: { $0.accessLogging = .everything }) {
      _ = try await $0.connect().echo("/t.Echo/Inline")
      let line = try members(try await $0.log.wait(count: 1)[0])
      #expect(line["method"] as? String == "/t.Echo/Inline")
    }
  }

  @Test func refusedCallsAreLogged() async throws {
    var router = Router()
    router.register(unary: "/t.S/Administer", requires: .administer) { _, _ in
      OutgoingMessage(head: nil)
    }
    try await LoopbackServer.run(router) { fixture in
      _ = await (try fixture.connect()).failure("/t.S/Administer")
      let line = try members(try await fixture.log.wait(count: 1)[0])
      #expect(line["method"] as? String == "/t.S/Administer")
      #expect(line["status"] as? String == "PERMISSION_DENIED")
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
