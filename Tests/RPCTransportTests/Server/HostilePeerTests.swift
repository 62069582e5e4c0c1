// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

@testable import RPCTransport

/// Peers that break HTTP/2, gRPC or good manners, said in raw bytes over TLS.
///
/// After each, a client of good will is served by the same loop.
@Suite struct HostilePeerTests {
  private let authority: TestAuthority
  private let server: TestServer
  private let options: RawClient.Options

  init() throws {
    authority = try TestAuthority()
    var configuration = ConnectionConfiguration()
    configuration.maxMessageSize = 1000
    configuration.maxHeaderListByteCount = 4096
    configuration.maxAssemblingByteCount = 2500
    server = try TestServer(authority.server(), configuration: configuration)
    options = RawClient.Options(tls: try authority.client())
  }

  private func connect() throws -> RawClient {
    let client = try RawClient(port: server.port, options)
    client.send(Frame.preface())
    return client
  }

  /// Runs an attack, then a call of a healthy client.
  private func survive(_ attack: (RawClient) throws -> Void) async throws {
    defer { server.stop() }
    try attack(connect())
    let loop = try EventLoop(name: "test-healthy")
    defer { loop.stop() }
    let tls = try TLSContext.client(authority.client())
    let port = server.port
    let answer = try await within {
      let client = try await ClientConnection.connect(
        host: "127.0.0.1", port: port, tls: tls, loop: loop)
      defer { client.close() }
      return try await client.unary(CallHead(path: "/test/Echo"), OutgoingMessage([1, 2]))
    }
    #expect(answer.message.buffer.array == [1, 2])
  }

  /// The error code of the GOAWAY that ends the connection.
  private func goAwayCode(_ client: RawClient) throws -> UInt32? {
    try client.frames { $0.kind == Frame.Kind.goAway }.last?.code
  }

  @Test func bytesThatAreNotHTTP2() async throws {
    try await survive { client in
      client.send(Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
      _ = try client.readToEnd()
    }
  }

  @Test(arguments: 0..<40) func randomBytes(_ seed: UInt64) async throws {
    try await survive { client in
      var state = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      func next() -> UInt8 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 33)
      }
      // Frames with a plausible header and any content get further than plain noise.
      for _ in 0..<50 {
        let length = Int(next() % 64)
        let frame = Frame(
          kind: next() % 12, flags: next(), stream: UInt32(next() % 8),
          payload: (0..<length).map { _ in next() })
        guard client.send(frame.bytes) else { break }
      }
      shutdown(client.descriptor, Int32(SHUT_WR))
      _ = try client.readToEnd()
    }
  }

  @Test func aMessageOverTheLimitIsRefusedByItsPrefix() async throws {
    try await survive { client in
      client.send(Frame.request("/test/Echo", stream: 1).bytes)
      client.send(
        Frame(kind: Frame.Kind.data, stream: 1, payload: [0, 0xff, 0xff, 0xff, 0xff, 1]).bytes)
      let frames = try client.frames { $0.kind == Frame.Kind.reset }
      // The status comes with the end of the stream, then the request to stop sending.
      #expect(frames.contains { $0.kind == Frame.Kind.headers && $0.flags & Frame.endStream != 0 })
      #expect(frames.last?.code == 0)
    }
    #expect(server.events.events.contains(.failed(.resourceExhausted)))
  }

  @Test func messagesThatAreNeverFinishedAreBoundedInSum() async throws {
    try await survive { client in
      for stream in [UInt32(1), 3, 5] {
        client.send(Frame.request("/test/Hang", stream: stream).bytes)
        client.send(
          Frame(kind: Frame.Kind.data, stream: stream, payload: [0, 0, 0, 3, 0xe8, 1]).bytes)
      }
      let frames = try client.frames { $0.kind == Frame.Kind.reset }
      #expect(frames.last?.stream == 5)
    }
    #expect(server.events.events.contains(.failed(.resourceExhausted)))
  }

  @Test func aHeaderListOverTheLimitFailsItsCallAlone() async throws {
    try await survive { client in
      let large = String(repeating: "x", count: 5000)
      client.send(Frame.request("/test/Echo", stream: 1, ends: true, changing: ["a": large]).bytes)
      client.send(Frame.request("/test/Echo", stream: 3, ends: true).bytes)
      let frames = try client.frames { $0.stream == 3 && $0.flags & Frame.endStream != 0 }
      #expect(frames.contains { $0.stream == 1 && $0.flags & Frame.endStream != 0 })
    }
    let opened = server.events.events.filter { $0 == .opened("/test/Echo") }
    #expect(opened.count == 2, "the third call of the three never reached its handler")
  }

  /// One entry of 4,000 bytes in the dynamic table, then thousands of references of one byte.
  @Test func anHPACKBombEndsTheConnection() async throws {
    try await survive { client in
      let value = String(repeating: "v", count: 3900)
      var block = Frame.block([("bomb", value)])
      block[0] = 0x40
      let head = Frame.block([
        (":method", "POST"), (":scheme", "https"), (":path", "/test/Echo"), (":authority", "t"),
      ])
      block = head + block + [UInt8](repeating: 0xbe, count: 10_000)
      client.send(
        Frame(kind: Frame.Kind.headers, flags: Frame.endHeaders, stream: 1, payload: block).bytes)
      let rest = try client.readToEnd()
      #expect(rest.count < 10_000)
    }
    #expect(!server.events.events.contains(.received(0)))
  }

  @Test func aContinuationFloodEndsTheConnection() async throws {
    try await survive { client in
      var head = Frame.request("/test/Echo", stream: 1)
      head.flags = 0
      client.send(head.bytes)
      let more = Frame(
        kind: Frame.Kind.continuation, stream: 1, payload: Frame.block([("a", "b")]))
      for _ in 0..<2000 { guard client.send(more.bytes) else { break } }
      _ = try client.readToEnd()
    }
  }

  @Test func anEmptyDataFloodEndsTheConnection() async throws {
    try await survive { client in
      client.send(Frame.request("/test/Hang", stream: 1).bytes)
      let empty = Frame(kind: Frame.Kind.data, stream: 1).bytes
      for _ in 0..<100 {
        guard client.send([UInt8]((0..<100).flatMap { _ in empty })) else { break }
      }
      let code = try goAwayCode(client)
      #expect(code == 11)
    }
  }

  @Test func aPingFloodEndsTheConnection() async throws {
    try await survive { client in
      let ping = Frame(kind: Frame.Kind.ping, payload: [UInt8](repeating: 0, count: 8)).bytes
      for _ in 0..<100 {
        guard client.send([UInt8]((0..<100).flatMap { _ in ping })) else { break }
      }
      _ = try client.readToEnd()
    }
  }

  @Test func aSettingsFloodEndsTheConnection() async throws {
    try await survive { client in
      let settings = Frame(kind: Frame.Kind.settings).bytes
      for _ in 0..<100 {
        guard client.send([UInt8]((0..<100).flatMap { _ in settings })) else { break }
      }
      _ = try client.readToEnd()
    }
  }

  @Test func rapidResetsEndTheConnection() async throws {
    try await survive { client in
      var stream: UInt32 = 1
      for _ in 0..<40 {
        var bytes: [UInt8] = []
        for _ in 0..<100 {
          bytes += Frame.request("/test/Hang", stream: stream).bytes
          bytes += Frame(kind: Frame.Kind.reset, stream: stream, payload: Frame.word(8)).bytes
          stream += 2
        }
        guard client.send(bytes) else { break }
      }
      _ = try client.readToEnd()
    }
    #expect(server.events.events.contains(.cancelled("/test/Hang")))
  }

  @Test func aMessageCutOffByTheEndIsInvalid() async throws {
    try await survive { client in
      client.send(Frame.request("/test/Echo", stream: 1).bytes)
      client.send(
        Frame(
          kind: Frame.Kind.data, flags: Frame.endStream, stream: 1, payload: [0, 0, 0, 0, 9, 1]
        ).bytes)
      _ = try client.frames { $0.stream == 1 && $0.flags & Frame.endStream != 0 }
    }
    #expect(server.events.events.contains(.failed(.invalidArgument)))
  }

  @Test func aCompressedMessageIsRefused() async throws {
    try await survive { client in
      client.send(Frame.request("/test/Echo", stream: 1).bytes)
      client.send(
        Frame(
          kind: Frame.Kind.data, flags: Frame.endStream, stream: 1, payload: [1, 0, 0, 0, 1, 7]
        ).bytes)
      _ = try client.frames { $0.stream == 1 && $0.flags & Frame.endStream != 0 }
    }
    #expect(server.events.events.contains(.failed(.internal)))
  }

  /// What is not gRPC gets an HTTP answer, and never a handler.
  @Test(
    arguments: [
      ([":method": "PUT"], "405"), (["content-type": "text/html"], "415"),
      (["content-type": nil], "415"),
    ] as [([String: String?], String)])
  func whatIsNotGRPCIsAnsweredInHTTP(_ changes: [String: String?], _ status: String) async throws {
    try await survive { client in
      client.send(Frame.request("/test/Echo", stream: 1, ends: true, changing: changes).bytes)
      let frames = try client.frames { $0.stream == 1 }
      // Neither status is in HPACK's static table, and Huffman's code would not make three digits
      // shorter, so they stand there in plain text.
      let payload = try #require(frames.last?.payload)
      #expect(String(decoding: payload, as: UTF8.self).contains(status))
      #expect(frames.last?.flags == Frame.endHeaders | Frame.endStream)
    }
    #expect(server.events.events.filter { $0 == .opened("/test/Echo") }.count == 1)
  }

  @Test func anAnswerBeforeTheEndOfTheRequestAsksToStop() async throws {
    try await survive { client in
      client.send(Frame.request("/test/Refuse", stream: 1).bytes)
      let frames = try client.frames { $0.kind == Frame.Kind.reset }
      #expect(frames.last?.code == 0)
      #expect(frames.contains { $0.stream == 1 && $0.flags & Frame.endStream != 0 })
    }
  }
}
