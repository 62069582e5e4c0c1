// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import TestSupport
import Testing

struct UnaryCallTests {
  private static func call(
    timeout: Duration? = nil, _ results: Recorder<Result<OutgoingMessage, RPCError>>
  ) throws -> UnaryCall {
    .detached(
      ReceivedMessage(PooledBuffer(copying: "x".utf8)), method: "/t.S/M",
      principal: try Principal(trustDomain: "massif.test", team: "vision", name: "alice"),
      access: LoopbackServer.policy, timeout: timeout
    ) { results.record($0) }
  }

  @Test func detachedCallIsHandledWithoutAServer() throws {
    let results = Recorder<Result<OutgoingMessage, RPCError>>()
    let call = try Self.call(results)
    InlineEcho().handle(call)
    #expect(try results.events.first?.get().head?.array == Array("x".utf8))
    #expect(call.message.text == "x")
    #expect(call.principal.team == "vision")
    #expect(throws: RPCError.self) {
      try call.require(.read, on: Resource(kind: "model", team: "speech", name: "m"))
    }
  }

  @Test func expiredCallIsCancelledWithoutATimer() throws {
    let results = Recorder<Result<OutgoingMessage, RPCError>>()
    #expect(try Self.call(timeout: .zero, results).isCancelled)
    #expect(try !Self.call(timeout: .seconds(600), results).isCancelled)
    #expect(try !Self.call(results).isCancelled)
  }

  @Test func cancelledCallSaysSo() throws {
    let call = try Self.call(Recorder())
    call.cancelDetached()
    #expect(call.isCancelled)
  }
}
