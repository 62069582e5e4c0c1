// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import TestSupport
import Testing

/// Metadata that control-plane handlers send beside their responses.
struct ResponseMetadataTests {
  private static var router: Router {
    var router = Router()
    router.register(unary: "/t.S/Unary", requires: .read) { request, context in
      try context.response.initial.append("first", for: "x-initial")
      try context.response.trailing.append(binary: [0, 255], for: "x-trailing-bin")
      if request.text == "fail" { throw RPCError(.aborted, "as asked") }
      return OutgoingMessage(head: request.buffer)
    }
    router.register(serverStreaming: "/t.S/Late", requires: .read) { request, context, responses in
      try await responses.write(OutgoingMessage(head: request.buffer))
      try context.response.initial.append("late", for: "x-initial")
      try context.response.trailing.append(binary: [1], for: "x-trailing-bin")
    }
    return router
  }

  @Test func comesWithTheResponse() async throws {
    try await LoopbackServer.run(Self.router) { fixture in
      let call = try await fixture.connect().call(
        CallHead(path: "/t.S/Unary", metadata: ["x-request-id": "seven"]))
      try await call.send(OutgoingMessage("hello".utf8))
      call.finishSending()
      let headers = await call.headers()
      #expect(headers["x-initial"] == "first")
      #expect(headers["x-request-id"] == "seven")
      #expect(headers[binary: "x-trailing-bin"] == nil)
      let outcome = await call.outcome()
      #expect(outcome.status.code == .ok)
      #expect(outcome.trailers[binary: "x-trailing-bin"] == [0, 255])
    }
  }

  @Test func comesWithAFailureToo() async throws {
    try await LoopbackServer.run(Self.router) { fixture in
      let outcome = await (try fixture.connect()).failure("/t.S/Unary", "fail")
      #expect(outcome.status == Status(.aborted, "as asked"))
      #expect(outcome.trailers["x-initial"] == "first")
      #expect(outcome.trailers[binary: "x-trailing-bin"] == [0, 255])
    }
  }

  @Test func whatIsSetTooLateIsNotSent() async throws {
    try await LoopbackServer.run(Self.router) { fixture in
      let call = try await fixture.connect().call(CallHead(path: "/t.S/Late"))
      try await call.send(OutgoingMessage("hello".utf8))
      call.finishSending()
      #expect(await call.headers()["x-initial"] == nil)
      let outcome = await call.outcome()
      #expect(outcome.trailers["x-initial"] == nil)
      #expect(outcome.trailers[binary: "x-trailing-bin"] == [1])
    }
  }
}
