// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Synchronization
import TestSupport
import Testing

/// Compressed messages over TLS on loopback, and what broken ones come to.
@Suite struct CompressionTests {
  /// Bytes that repeat, so that they compress.
  private static func message(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7) }
  }

  /// How a unary call failed; nil where it did not.
  private func failure(
    _ loopback: Loopback, _ head: CallHead, _ message: OutgoingMessage
  ) async throws -> Status.Code? {
    try await within {
      do throws(CallError) {
        _ = try await loopback.client.unary(head, message)
        return nil
      } catch {
        return error.status.code
      }
    }
  }

  /// Decompressed on the loop, and (above 128 KB) elsewhere.
  @Test(arguments: [MessageEncoding.gzip, .deflate], [1000, 300_000])
  func messagesAreCompressedBothWays(_ encoding: MessageEncoding, _ count: Int) async throws {
    let loopback = try await Loopback()
    var head = CallHead(path: "/test/Compress")
    head.encoding = encoding
    var request = OutgoingMessage(Self.message(count))
    request.prefersCompression = true
    let answer = try await within { [head, request] in
      try await loopback.client.unary(head, request)
    }
    #expect(answer.message.wasCompressed)
    #expect(answer.message.buffer.array == Self.message(count))
    #expect(loopback.server.events.events.contains(.received(count)))
    let seen = try #require(loopback.server.heads.withLock { $0.first })
    #expect(seen.encoding == encoding)
    #expect(seen.acceptedEncodings == [.gzip, .deflate])
  }

  /// Long and short, compressed and not: none overtakes another, and the end comes last.
  @Test func theOrderOfAStreamIsKept() async throws {
    let loopback = try await Loopback()
    let counts = [400_000, 3, 0, 200_000, 1, 300_000, 300_000, 2]
    let (lengths, compressed) = try await within {
      var head = CallHead(path: "/test/Compress")
      head.encoding = .gzip
      let call = loopback.client.call(head)
      for (index, count) in counts.enumerated() {
        var message = OutgoingMessage(Self.message(count))
        message.prefersCompression = index % 3 != 1
        try await call.send(message)
      }
      call.finishSending()
      var lengths: [Int] = []
      var compressed: [Bool] = []
      for try await message in call.messages {
        #expect(message.buffer.array == Self.message(message.buffer.count))
        lengths.append(message.buffer.count)
        compressed.append(message.wasCompressed)
      }
      return (lengths, compressed)
    }
    #expect(lengths == counts)
    // Every second answer asks for it, and a message that would not get shorter stays as it is.
    #expect(compressed == [true, false, false, false, false, false, true, false])
    let events = loopback.server.events.events
    let received = events.compactMap { if case .received(let count) = $0 { count } else { nil } }
    #expect(received == counts)
    #expect(events.contains(.ended))
  }

  @Test(arguments: [100_000, 4_000_000]) func aBombIsLimitedAsItGrows(_ count: Int) async throws {
    var configuration = ConnectionConfiguration()
    configuration.maxMessageSize = 50_000
    let loopback = try await Loopback(server: configuration)
    var head = CallHead(path: "/test/Sum")
    head.encoding = .gzip
    var bomb = OutgoingMessage([UInt8](repeating: 0, count: count))
    bomb.prefersCompression = true
    #expect(try await failure(loopback, head, bomb) == .resourceExhausted)
    #expect(loopback.server.events.events.contains(.failed(.resourceExhausted)))
  }

  @Test func whatIsDecompressedAndInUseIsLimitedInSum() async throws {
    var configuration = ConnectionConfiguration()
    configuration.maxDecompressedByteCount = 1 << 20
    let loopback = try await Loopback(server: configuration)
    var head = CallHead(path: "/test/Sum")
    head.encoding = .gzip
    var bomb = OutgoingMessage([UInt8](repeating: 0, count: 3 << 20))
    bomb.prefersCompression = true
    #expect(try await failure(loopback, head, bomb) == .resourceExhausted)
    // What the refused one had taken is there again.
    var small = OutgoingMessage(Self.message(100_000))
    small.prefersCompression = true
    for _ in 0..<20 {
      _ = try await within { [head, small] in try await loopback.client.unary(head, small) }
    }
  }

  @Test func withoutAnAcceptedEncodingAnAnswerIsNotCompressed() async throws {
    let authority = try TestAuthority()
    let server = try TestServer(authority.server())
    defer { server.stop() }
    let client = try RawClient(port: server.port, .init(tls: try authority.client()))
    client.send(Frame.preface())
    client.send(Frame.request("/test/Compress", stream: 1).bytes)
    client.send(Frame.message(Self.message(1000), stream: 1, ends: true).bytes)
    let frames = try client.frames { $0.stream == 1 && $0.flags & Frame.endStream != 0 }
    let data = frames.filter { $0.kind == Frame.Kind.data }.flatMap(\.payload)
    #expect(data == [0] + Frame.word(1000) + Self.message(1000))
  }

  @Test func anUnknownEncodingIsRefusedWithThoseThatAreKnown() async throws {
    let authority = try TestAuthority()
    let server = try TestServer(authority.server())
    defer { server.stop() }
    let client = try RawClient(port: server.port, .init(tls: try authority.client()))
    // Without a dynamic table and with Huffman's code the answer still names the header.
    client.send(Frame.preface())
    client.send(
      Frame.request("/test/Echo", stream: 1, ends: true, changing: ["grpc-encoding": "br"]).bytes)
    let frames = try client.frames { $0.stream == 1 && $0.flags & Frame.endStream != 0 }
    #expect(frames.last?.kind == Frame.Kind.headers)
    #expect(!server.events.events.contains(.opened("/test/Echo")))
  }

  /// A gzip member of "hello", and ways to break it.
  private static let hello: [UInt8] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 72, 205, 201, 201, 7, 0, 134, 166, 16, 54, 5, 0, 0, 0,
  ]

  @Test(
    arguments: [
      (hello, "gzip", nil), (hello, "deflate", .internal), (hello, "identity", .internal),
      (Array(hello.dropLast()), "gzip", .internal), (hello + [0], "gzip", .internal),
      ([], "gzip", .internal), ([1, 2, 3], "gzip", .internal),
      (hello.map { $0 == 72 ? 73 : $0 }, "gzip", .internal),
    ] as [([UInt8], String, Status.Code?)])
  func brokenMessagesFailTheirCall(
    _ bytes: [UInt8], _ encoding: String, _ failure: Status.Code?
  ) async throws {
    let authority = try TestAuthority()
    let server = try TestServer(authority.server())
    defer { server.stop() }
    let client = try RawClient(port: server.port, .init(tls: try authority.client()))
    client.send(Frame.preface())
    client.send(
      Frame.request("/test/Echo", stream: 1, changing: ["grpc-encoding": encoding]).bytes)
    let payload = [1] + Frame.word(UInt32(bytes.count)) + bytes
    client.send(
      Frame(kind: Frame.Kind.data, flags: Frame.endStream, stream: 1, payload: payload).bytes)
    let frames = try client.frames { $0.stream == 1 && $0.flags & Frame.endStream != 0 }
    let events = server.events.events
    if let failure {
      #expect(events.contains(.failed(failure)))
    } else {
      #expect(events.contains(.received(5)))
      let data = frames.filter { $0.kind == Frame.Kind.data }.flatMap(\.payload)
      #expect(data == [0, 0, 0, 0, 5] + Array("hello".utf8))
    }
  }
}
