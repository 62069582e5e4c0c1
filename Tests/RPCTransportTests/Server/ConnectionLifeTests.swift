// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import RPCTransport

/// How connections live and end by themselves.
///
/// Times are short, and peers wait until the server has acted.
@Suite struct ConnectionLifeTests {
  private func connect(
    _ configure: (inout ConnectionConfiguration) -> Void
  ) throws -> (TestServer, RawClient) {
    let authority = try TestAuthority()
    var configuration = ConnectionConfiguration()
    configure(&configuration)
    let server = try TestServer(authority.server(), configuration: configuration)
    let client = try RawClient(port: server.port, .init(tls: try authority.client()))
    client.send(Frame.preface())
    return (server, client)
  }

  private static let ping = Frame(kind: Frame.Kind.ping, payload: [1, 2, 3, 4, 5, 6, 7, 8])

  private func answer(_ ping: Frame) -> [UInt8] {
    Frame(kind: Frame.Kind.ping, flags: 1, payload: ping.payload).bytes
  }

  // MARK: Pings of the server

  @Test func aPeerThatAnswersPingsStays() throws {
    let (server, client) = try connect { $0.keepaliveInterval = .milliseconds(20) }
    defer { server.stop() }
    for _ in 0..<4 {
      let frames = try client.frames { $0.kind == Frame.Kind.ping }
      #expect(!frames.contains { $0.kind == Frame.Kind.goAway })
      client.send(answer(try #require(frames.last)))
    }
  }

  @Test func aPeerThatDoesNotIsClosed() async throws {
    let (server, client) = try connect {
      $0.keepaliveInterval = .milliseconds(20)
      $0.keepaliveTimeout = .milliseconds(20)
    }
    defer { server.stop() }
    _ = try client.readToEnd()
    try await server.events.wait { $0.last == .closed(.timeout) }
  }

  // MARK: Pings of the client

  @Test func tooManyPingsEndTheConnection() async throws {
    let (server, client) = try connect { $0.minPingInterval = .seconds(60) }
    defer { server.stop() }
    client.send((0..<5).flatMap { _ in Self.ping.bytes })
    let last = try client.frames { $0.kind == Frame.Kind.goAway }.last
    #expect(last?.code == 11)
    // The text that gRPC's clients look for.
    #expect(last.map { Array($0.payload.dropFirst(8)) } == Array("too_many_pings".utf8))
    try await server.events.wait { $0.contains(.closed(.limitExceeded)) }
  }

  @Test func pingsBehindAnswersAreNotTooMany() throws {
    let (server, client) = try connect { $0.minPingInterval = .seconds(60) }
    defer { server.stop() }
    for stream in stride(from: UInt32(1), to: 21, by: 2) {
      client.send(Frame.request("/test/Echo", stream: stream).bytes)
      client.send(Frame.message([1], stream: stream, ends: true).bytes)
      _ = try client.frames { $0.stream == stream && $0.flags & Frame.endStream != 0 }
      client.send(Self.ping.bytes)
      let frames = try client.frames { $0.kind == Frame.Kind.ping && $0.flags == 1 }
      #expect(frames.last?.payload == Self.ping.payload)
    }
  }

  // MARK: Idle and old connections

  /// An open call keeps the connection; its end lets it go, in two steps.
  @Test func anIdleConnectionIsDrainedAndABusyOneIsNot() throws {
    let (server, client) = try connect {
      $0.idleTimeout = .seconds(2)
      $0.keepaliveInterval = .milliseconds(400)
    }
    defer { server.stop() }
    client.send(Frame.request("/test/Hang", stream: 1).bytes)
    for _ in 0..<6 {
      let frames = try client.frames { $0.kind == Frame.Kind.ping }
      #expect(!frames.contains { $0.kind == Frame.Kind.goAway })
      client.send(answer(try #require(frames.last)))
    }
    client.send(Frame(kind: Frame.Kind.reset, stream: 1, payload: Frame.word(8)).bytes)
    let notice = try client.frames { $0.kind == Frame.Kind.goAway }.last
    #expect(notice?.code == 0)
    #expect(notice?.payload.prefix(4) == [0x7f, 0xff, 0xff, 0xff])
    let ping = try client.frames { $0.kind == Frame.Kind.ping && $0.payload[0] == 2 }.last
    client.send(answer(try #require(ping)))
    let last = try client.frames { $0.kind == Frame.Kind.goAway }.last
    #expect(last?.payload.prefix(4) == [0, 0, 0, 1])
    _ = try client.readToEnd()
  }

  /// Its calls may finish within the grace, and are cut off after it.
  @Test func anOldConnectionIsDrainedAndThenClosed() async throws {
    let (server, client) = try connect {
      $0.maxAge = .milliseconds(40)
      $0.drainGrace = .milliseconds(200)
    }
    defer { server.stop() }
    client.send(Frame.request("/test/Hang", stream: 1).bytes)
    let notice = try client.frames { $0.kind == Frame.Kind.goAway }.last
    #expect(notice?.code == 0)
    _ = try client.readToEnd()
    try await server.events.wait { $0.contains(.cancelled("/test/Hang")) }
  }

  /// Clients that call without a pause lose nothing to the age of their connections.
  @Test func noCallIsLostToAge() async throws {
    var configuration = ConnectionConfiguration()
    configuration.maxAge = .milliseconds(30)
    let authority = try TestAuthority()
    let server = try TestServer(authority.server(), configuration: configuration)
    defer { server.stop() }
    let loop = try EventLoop(name: "test-client")
    defer { loop.stop() }
    let tls = try TLSContext.client(authority.client())
    try await within {
      for _ in 0..<3 {
        let client = try await ClientConnection.connect(
          host: "127.0.0.1", port: server.port, tls: tls, loop: loop)
        do throws(CallError) {
          while true {
            _ = try await client.unary(CallHead(path: "/test/Echo"), OutgoingMessage([1, 2, 3]))
          }
        } catch {
          #expect(error.isCertainlyNotProcessed, "\(error)")
        }
      }
    }
  }

  // MARK: Many at once

  /// More handshakes than one turn has time for, and those that wait are not forgotten.
  @Test func handshakesTakeTurns() async throws {
    let authority = try TestAuthority()
    let server = try TestServer(authority.server())
    defer { server.stop() }
    let loop = try EventLoop(name: "test-client")
    defer { loop.stop() }
    let tls = try TLSContext.client(authority.client())
    let answers = try await within {
      try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<60 {
          group.addTask {
            let client = try await ClientConnection.connect(
              host: "127.0.0.1", port: server.port, tls: tls, loop: loop)
            defer { client.close() }
            return try await client.unary(CallHead(path: "/test/Echo"), OutgoingMessage([7]))
              .message.buffer.count
          }
        }
        return try await group.reduce(0, +)
      }
    }
    #expect(answers == 60)
  }

  // MARK: Unix-domain sockets

  @Test func aUnixSocketServesWithTheSameCertificates() async throws {
    let authority = try TestAuthority()
    let path = authority.directory.file("massif.sock")
    let client = try authority.client()
    // The second server finds the file that the first, which was killed, would have left.
    for _ in 0..<2 {
      let server = try TestServer(authority.server(), unixPath: path)
      defer { server.stop() }
      let loop = try EventLoop(name: "test-client")
      defer { loop.stop() }
      let tls = try TLSContext.client(client)
      let answer = try await within {
        let client = try await ClientConnection.connect(
          host: "unix:\(path)", port: 0, tls: tls, loop: loop)
        defer { client.close() }
        return try await client.unary(CallHead(path: "/test/Echo"), OutgoingMessage([7])).message
      }
      #expect(answer.buffer.array == [7])
      try await server.events.wait {
        $0.contains(.ready(uriNames: ["spiffe://massif.test/team/vision/alice"]))
      }
    }
  }

  @Test func aSocketPathIsBounded() throws {
    #expect(throws: TransportError.self) { try SocketAddress(unixPath: "") }
    #expect(throws: TransportError.self) {
      try SocketAddress(unixPath: String(repeating: "x", count: 108))
    }
    let longest = String(repeating: "x", count: 107)
    #expect(try SocketAddress(unixPath: longest).unixPath == longest)
  }

  @Test func aPeerIsAnAddressOrASixtyFour() throws {
    func network(_ host: String) throws -> SocketAddress.PeerNetwork? {
      try SocketAddress(host: host, port: 1).peerNetwork
    }
    #expect(try network("127.0.0.1") == network("127.0.0.1"))
    #expect(try network("127.0.0.1") != network("127.0.0.2"))
    #expect(try network("2001:db8::1") == network("2001:db8::ffff:1"))
    #expect(try network("2001:db8::1") != network("2001:db8:0:1::1"))
    #expect(try network("::ffff:10.0.0.1") == network("10.0.0.1"))
    #expect(try SocketAddress(unixPath: "/tmp/s").peerNetwork == nil)
  }
}
