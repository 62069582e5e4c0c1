// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Synchronization
import TestSupport
import Testing

/// Every kind of call over TLS on loopback, with the client of this library.
@Suite struct CallTests {
  @Test func unaryCallIsAnswered() async throws {
    let loopback = try await Loopback()
    let sent = [UInt8]((0..<1000).map { UInt8(truncatingIfNeeded: $0) })
    let answer = try await within {
      try await loopback.client.unary(CallHead(path: "/test/Echo"), OutgoingMessage(sent))
    }
    #expect(answer.message.buffer.array == sent)
    #expect(answer.trailers["total"] == "1000")
  }

  /// Where there is no memory for an answer, or it has no prefix, its call fails and no other.
  @Test(arguments: [[], [1]] as [[UInt8]]) func anAnswerThatCannotBeSentFailsItsCall(
    _ request: [UInt8]
  ) async throws {
    let loopback = try await Loopback()
    let (code, answer) = try await within {
      var code: Status.Code?
      do throws(CallError) {
        _ = try await loopback.client.unary(
          CallHead(path: "/test/TooLong"), OutgoingMessage(request))
      } catch {
        code = error.status.code
      }
      return (
        code,
        try await loopback.client.unary(CallHead(path: "/test/Echo"), OutgoingMessage([1])).message
      )
    }
    #expect(code == .resourceExhausted)
    #expect(answer.buffer.array == [1])
    #expect(loopback.server.events.events.contains(.failed(.resourceExhausted)))
  }

  @Test func emptyMessageIsAnswered() async throws {
    let loopback = try await Loopback()
    let answer = try await within {
      try await loopback.client.unary(
        CallHead(path: "/test/Echo"), OutgoingMessage(head: nil))
    }
    #expect(answer.message.buffer.count == 0)
  }

  @Test func metadataGoesBothWays() async throws {
    let loopback = try await Loopback()
    var metadata: Metadata = ["x-request-id": "42"]
    try metadata.append(binary: [0, 255, 128], for: "trace-bin")
    try metadata.append("second", for: "x-request-id")
    let head = CallHead(path: "/test/EchoHeaders", metadata: metadata, timeout: .seconds(9))
    let answer = try await within {
      try await loopback.client.unary(head, OutgoingMessage([1]))
    }
    #expect(answer.headers.values(for: "x-request-id") == ["42", "second"])
    #expect(answer.headers[binary: "trace-bin"] == [0, 255, 128])
    let seen = try #require(loopback.server.heads.withLock { $0.first })
    #expect(seen.path == "/test/EchoHeaders")
    #expect(seen.authority == "127.0.0.1:\(loopback.server.port)")
    #expect(seen.timeout == .seconds(9))
    #expect(seen.metadata["user-agent"]?.hasPrefix("massif-swift/") == true)
    #expect(seen.metadata["grpc-timeout"] == nil)
  }

  @Test func statusWithDetailsArrivesAsTrailersOnly() async throws {
    let loopback = try await Loopback()
    let error = await #expect(throws: CallError.self) {
      try await within {
        try await loopback.client.unary(CallHead(path: "/test/Refuse"), OutgoingMessage([1]))
      }
    }
    #expect(error?.status.code == .permissionDenied)
    #expect(error?.status.message == "not you: 100 % \u{e9}")
    #expect(error?.status.details == [1, 2, 250])
    #expect(error?.outcome.trailers["reason"] == "policy")
    #expect(error?.isCertainlyNotProcessed == false)
  }

  @Test func unknownMethodIsUnimplemented() async throws {
    let loopback = try await Loopback()
    let error = await #expect(throws: CallError.self) {
      try await within {
        try await loopback.client.unary(CallHead(path: "/test/Nothing"), OutgoingMessage([]))
      }
    }
    #expect(error?.status.code == .unimplemented)
  }

  @Test func clientStreamIsSummed() async throws {
    let loopback = try await Loopback()
    let sum = try await within {
      let call = loopback.client.call(CallHead(path: "/test/Sum"))
      for size in 0..<50 {
        try await call.send(OutgoingMessage([UInt8](repeating: 1, count: size * 100)))
      }
      call.finishSending()
      let message = try #require(try await call.next())
      #expect(try await call.next() == nil)
      return TestServer.number(message)
    }
    #expect(sum == (0..<50).reduce(0) { $0 + $1 * 100 })
  }

  @Test func serverStreamArrivesInOrderThroughBackPressure() async throws {
    let loopback = try await Loopback()
    let count = 200
    let seen = try await within {
      let call = loopback.client.call(CallHead(path: "/test/Produce"))
      try await call.send(OutgoingMessage(TestServer.bytes(count)))
      call.finishSending()
      var seen: [UInt8] = []
      for try await message in call.messages {
        #expect(message.buffer.count == 64 << 10)
        seen.append(message.bytes[0])
      }
      return seen
    }
    #expect(seen == (0..<count).map { UInt8(truncatingIfNeeded: count - 1 - $0) })
    // 12.8 MB do not fit under the server's high-water mark, so it was told to pause.
    #expect(loopback.server.events.events.contains(.writable))
  }

  @Test func bidirectionalStreamAnswersEachMessageBeforeTheNext() async throws {
    let loopback = try await Loopback()
    try await within {
      let call = loopback.client.call(CallHead(path: "/test/Echo"))
      for size in [0, 1, 5, 1000, 100_000] {
        try await call.send(OutgoingMessage([UInt8](repeating: 9, count: size)))
        let answer = try #require(try await call.next())
        #expect(answer.buffer.count == size)
      }
      call.finishSending()
      #expect(try await call.next() == nil)
      let outcome = await call.outcome()
      #expect(outcome.status.code == .ok)
      #expect(outcome.trailers["total"] == "101006")
    }
  }

  /// The shape that stalls another server: many large unary answers at once, over one connection.
  @Test func manyLargeAnswersDoNotStall() async throws {
    let loopback = try await Loopback()
    let size = 100_000
    let total = try await within(.seconds(60)) {
      try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<16 {
          group.addTask {
            var sum = 0
            for _ in 0..<25 {
              let answer = try await loopback.client.unary(
                CallHead(path: "/test/Size"), OutgoingMessage(TestServer.bytes(size)))
              sum += answer.message.buffer.count
            }
            return sum
          }
        }
        return try await group.reduce(0, +)
      }
    }
    #expect(total == 16 * 25 * size)
  }

  @Test func largeUploadsDoNotStall() async throws {
    let loopback = try await Loopback()
    let body = [UInt8](repeating: 3, count: 602_112)
    let total = try await within(.seconds(60)) {
      try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<8 {
          group.addTask {
            var sum = 0
            for _ in 0..<10 {
              let answer = try await loopback.client.unary(
                CallHead(path: "/test/Echo"), OutgoingMessage(body))
              sum += answer.message.buffer.count
            }
            return sum
          }
        }
        return try await group.reduce(0, +)
      }
    }
    #expect(total == 80 * body.count)
  }
}
