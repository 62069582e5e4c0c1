// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import TestSupport
import Testing

struct CallKindTests {
  @Test(arguments: ["Inline", "OtherThread", "Unary"])
  func unaryCallIsAnswered(method: String) async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect()
      #expect(try await client.echo("/t.Echo/\(method)", "hello") == "hello")
      #expect(try await client.echo("/t.Echo/\(method)", "") == "")
      try await fixture.ended.wait(count: 2)
      #expect(fixture.ended.events.allSatisfy { $0.code == .ok && $0.method == method })
    }
  }

  @Test func largeMessageGoesThroughWhole() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect()
      var bytes = [UInt8](repeating: 0, count: 5 << 20)
      for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: index &* 31 >> 4) }
      for method in ["Inline", "OtherThread", "Unary"] {
        let head = CallHead(path: "/t.Echo/\(method)", maxMessageSize: 8 << 20)
        let response = try await client.unary(head, OutgoingMessage(bytes))
        #expect(response.message.buffer.array == bytes)
      }
    }
  }

  @Test func serverStreams() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let call = try await fixture.connect().call(CallHead(path: "/t.Echo/Letters"))
      try await call.send(OutgoingMessage("massif".utf8))
      call.finishSending()
      var letters: [String] = []
      for try await message in call.messages { letters.append(message.text) }
      #expect(letters == ["m", "a", "s", "s", "i", "f"])
    }
  }

  @Test func clientStreams() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let call = try await fixture.connect().call(CallHead(path: "/t.Echo/Join"))
      for text in ["mas", "s", "if"] { try await call.send(OutgoingMessage(text.utf8)) }
      call.finishSending()
      #expect(try await call.next()?.text == "massif")
      #expect(try await call.next() == nil)
    }
  }

  @Test func bothStream() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let call = try await fixture.connect().call(CallHead(path: "/t.Echo/Each"))
      for text in ["one", "two", "three"] {
        try await call.send(OutgoingMessage(text.utf8))
        #expect(try await call.next()?.text == text)
      }
      call.finishSending()
      #expect(try await call.next() == nil)
    }
  }

  @Test func manyCallsAtOnceEachGetTheirOwnAnswer() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let clients = [try await fixture.connect(), try await fixture.connect()]
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<400 {
          let method = ["Inline", "OtherThread", "Unary"][number % 3]
          group.addTask {
            let answer = try await clients[number % 2].echo("/t.Echo/\(method)", "\(number)")
            #expect(answer == "\(number)")
          }
        }
        try await group.waitForAll()
      }
      try await fixture.ended.wait(count: 400)
    }
  }

  /// A server of another library was seen to stall here: large responses to many calls at once.
  @Test(arguments: ["Inline", "OtherThread"])
  func largeAnswersToManyCallsAllArrive(method: String) async throws {
    try await LoopbackServer.run(.echo) { fixture in
      var clients: [ClientConnection] = []
      for _ in 0..<4 { clients.append(try await fixture.connect()) }
      let tensor = [UInt8](repeating: 3, count: 602_112)
      let path = "/t.Echo/\(method)"
      try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<32 {
          let client = clients[worker % clients.count]
          group.addTask {
            for _ in 0..<5 {
              let answer = try await client.unary(CallHead(path: path), OutgoingMessage(tensor))
              #expect(answer.message.bytes.count == tensor.count)
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test(arguments: ["Inline", "Unary", "Letters"])
  func exactlyOneRequestIsExpected(method: String) async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect()
      let none = client.call(CallHead(path: "/t.Echo/\(method)"))
      none.finishSending()
      #expect(await none.outcome().status.code == .invalidArgument)
      let two = client.call(CallHead(path: "/t.Echo/\(method)"))
      try await two.send(OutgoingMessage("1".utf8))
      try? await two.send(OutgoingMessage("2".utf8))
      let outcome = await two.outcome()
      #expect(outcome.status.code == .invalidArgument)
      #expect(outcome.status.message.contains("takes one message"))
      try await fixture.ended.wait(count: 2)
      #expect(try await client.echo("/t.Echo/Inline") == "hello")
    }
  }

  @Test func unknownMethodIsUnimplemented() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect()
      for path in ["/t.Echo/Nothing", "/t.Nothing/Unary", "/t.Echo", "/"] {
        #expect(await client.failure(path).status.code == .unimplemented)
      }
    }
  }

  @Test func requestIDIsEchoed() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect()
      for method in ["Inline", "Unary"] {
        let head = CallHead(path: "/t.Echo/\(method)", metadata: ["x-request-id": "abc-1"])
        let response = try await client.unary(head, OutgoingMessage("x".utf8))
        #expect(response.headers["x-request-id"] == "abc-1")
      }
      let refused = await client.failure("/t.Echo/No", metadata: ["x-request-id": "abc-2"])
      #expect(refused.trailers["x-request-id"] == "abc-2")
    }
  }

  @Test func requestIDThatIsTooLongOrSpacedIsReplaced() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect()
      for id in [String(repeating: "i", count: 129), "a b"] {
        let head = CallHead(path: "/t.Echo/Unary", metadata: ["x-request-id": id])
        let response = try await client.unary(head, OutgoingMessage("x".utf8))
        let echoed = try #require(response.headers["x-request-id"])
        #expect(echoed != id && !echoed.isEmpty)
      }
    }
  }
}
