// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import RPCTransport

/// The two steps of a graceful end, as a client sees their frames (RFC 9113 §6.8).
@Suite struct DrainTests {
  private static func lastStream(_ frame: Frame) -> UInt32 {
    frame.payload.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  @Test func aCallThatIsUnderWayToADrainingServerIsServed() async throws {
    let authority = try TestAuthority()
    var configuration = ConnectionConfiguration()
    // However busy the machine is, the ping is answered within it.
    configuration.drainPingTimeout = .seconds(120)
    let server = try TestServer(authority.server(), configuration: configuration)
    defer { server.stop() }
    let client = try RawClient(
      port: server.port, RawClient.Options(tls: try authority.client()))
    client.send(Frame.preface())
    try await server.events.wait { !$0.isEmpty }
    try await server.onLoop { server.connections[0].drain() }

    // First: no new streams please, and a ping behind it.
    let notice = try client.frames { $0.kind == Frame.Kind.ping }
    let first = try #require(notice.first { $0.kind == Frame.Kind.goAway })
    #expect(DrainTests.lastStream(first) == 0x7fff_ffff)
    #expect(first.code == 0)
    let ping = try #require(notice.last)

    // This call crosses the notice on its way.
    client.send(Frame.request("/test/Echo", stream: 1).bytes)
    client.send(
      Frame(kind: Frame.Kind.ping, flags: 1, payload: ping.payload).bytes)
    let final = try client.frames { $0.kind == Frame.Kind.goAway }
    #expect(DrainTests.lastStream(try #require(final.last)) == 1)

    // It is finished, a later one is not begun, and the connection ends.
    client.send(Frame.request("/test/Echo", stream: 3, ends: true).bytes)
    client.send(Frame.message([1, 2, 3], stream: 1, ends: true).bytes)
    let rest = try client.frames { _ in false }
    #expect(rest.contains { $0.kind == Frame.Kind.data && $0.payload.suffix(3) == [1, 2, 3] })
    #expect(!rest.contains { $0.kind == Frame.Kind.headers && $0.stream == 3 })
    #expect(server.events.events.filter { $0 == .opened("/test/Echo") }.count == 1)
  }

  @Test func aClientThatDoesNotAnswerThePingIsNotWaitedForForEver() async throws {
    let authority = try TestAuthority()
    var configuration = ConnectionConfiguration()
    configuration.drainPingTimeout = .milliseconds(50)
    configuration.lingerTimeout = .milliseconds(50)
    let server = try TestServer(authority.server(), configuration: configuration)
    defer { server.stop() }
    let client = try RawClient(
      port: server.port, RawClient.Options(tls: try authority.client()))
    client.send(Frame.preface())
    try await server.events.wait { !$0.isEmpty }
    try await server.onLoop { server.connections[0].drain() }
    try await server.events.wait { $0.contains(.closed(.connectionClosed)) }
  }
}
