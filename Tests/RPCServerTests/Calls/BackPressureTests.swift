// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import TestSupport
import Testing

struct BackPressureTests {
  static let chunk = [UInt8](repeating: 7, count: 256 << 10)
  /// Far more than what fits into every window and buffer between a writer and a reader (the
  /// server's stream window, the sockets' buffers and the marks of both ends: some 10 MB).
  static let count = 400

  @Test func clientWaitsForAHandlerThatDoesNotRead() async throws {
    let gate = Gate()
    var router = Router.echo
    router.register(clientStreaming: "/t.S/Upload", requires: .write) { requests, _ in
      try await gate.pass()
      var total = 0
      for try await request in requests { total += request.bytes.count }
      return OutgoingMessage("\(total)".utf8)
    }
    try await LoopbackServer.run(router) { fixture in
      let client = try await fixture.connect()
      let call = client.call(CallHead(path: "/t.S/Upload"))
      let sent = Recorder<Int>()
      let upload = Task {
        for number in 0..<Self.count {
          try await call.send(OutgoingMessage(Self.chunk))
          sent.record(number)
        }
        call.finishSending()
      }
      try await gate.events.wait(count: 1)
      // Other calls of the connection go on, and are the clock by which the upload stands still.
      for _ in 0..<50 { #expect(try await client.echo("/t.Echo/Unary") == "hello") }
      #expect(sent.events.count < Self.count)
      gate.open()
      #expect(try await call.next()?.text == "\(Self.count * Self.chunk.count)")
      try await upload.value
    }
  }

  @Test func handlerWaitsForAClientThatDoesNotRead() async throws {
    let written = Recorder<Int>()
    var router = Router.echo
    router.register(serverStreaming: "/t.S/Download", requires: .read) { _, _, responses in
      for number in 0..<Self.count {
        try await responses.write(OutgoingMessage(Self.chunk))
        written.record(number)
      }
    }
    try await LoopbackServer.run(router) { fixture in
      let client = try await fixture.connect()
      let call = client.call(CallHead(path: "/t.S/Download"))
      try await call.send(OutgoingMessage(head: nil))
      call.finishSending()
      try await written.wait(count: 1)
      for _ in 0..<50 { #expect(try await client.echo("/t.Echo/Unary") == "hello") }
      #expect(written.events.count < Self.count)
      var total = 0
      for try await message in call.messages { total += message.bytes.count }
      #expect(total == Self.count * Self.chunk.count)
    }
  }

  @Test func writerThatWaitsIsWokenByTheEndOfTheCall() async throws {
    let failed = Recorder<Status.Code>()
    var router = Router()
    router.register(serverStreaming: "/t.S/Download", requires: .read) { _, _, responses in
      do {
        while true { try await responses.write(OutgoingMessage(Self.chunk)) }
      } catch {
        if let error = error as? RPCError { failed.record(error.code) }
        throw error
      }
    }
    try await LoopbackServer.run(router) { fixture in
      let client = try await fixture.connect()
      let call = client.call(CallHead(path: "/t.S/Download"))
      try await call.send(OutgoingMessage(head: nil))
      call.finishSending()
      #expect(try await call.next()?.bytes.count == Self.chunk.count)
      call.cancel()
      #expect(try await failed.wait(count: 1) == [.cancelled])
      try await fixture.ended.wait(count: 1)
    }
  }
}
