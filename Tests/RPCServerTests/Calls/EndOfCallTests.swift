// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import TestSupport
import Testing

/// Calls that end before their handler does: by deadline, by cancellation, by a lost connection.
struct EndOfCallTests {
  /// Methods that wait at a gate, one of each kind, and what they saw.
  private static func gated(_ gate: Gate, _ held: HeldCalls) -> Router {
    var router = Router.echo
    router.register(dataPlane: "/t.S/Held", requires: .infer, handler: held)
    router.register(unary: "/t.S/Unary", requires: .read) { request, _ in
      try await gate.pass()
      return OutgoingMessage(head: request.buffer)
    }
    router.register(serverStreaming: "/t.S/Letters", requires: .read) { _, _, _ in
      try await gate.pass()
    }
    router.register(bidirectional: "/t.S/Each", requires: .read) { _, _, _ in
      try await gate.pass()
    }
    router.register(clientStreaming: "/t.S/Wait", requires: .read) { requests, _ in
      gate.events.record(.entered)
      do {
        for try await _ in requests {}
        gate.events.record(.left)
      } catch {
        gate.events.record(.cancelled)
        throw error
      }
      return OutgoingMessage(head: nil)
    }
    return router
  }

  private static func begin(_ client: ClientConnection, _ path: String, timeout: Duration? = nil)
    async throws -> ClientCall
  {
    let call = client.call(CallHead(path: path, timeout: timeout))
    try? await call.send(OutgoingMessage("x".utf8))
    if path != "/t.S/Wait" { call.finishSending() }
    return call
  }

  /// Deadlines to try in turn: a busy machine may let the first pass before the handler is reached.
  private static let timeouts: [Duration] = [.milliseconds(100), .seconds(1), .seconds(10)]

  @Test(arguments: ["/t.S/Unary", "/t.S/Letters", "/t.S/Each", "/t.S/Wait"])
  func deadlineCancelsTheHandlersTask(path: String) async throws {
    let gate = Gate()
    try await LoopbackServer.run(Self.gated(gate, HeldCalls())) { fixture in
      let client = try await fixture.connect()
      for timeout in Self.timeouts where gate.events.events.isEmpty {
        let call = try await Self.begin(client, path, timeout: timeout)
        #expect(await call.outcome().status.code == .deadlineExceeded)
      }
      let events = try await gate.events.wait { $0.contains(.cancelled) }
      #expect(!events.contains(.left))
      let ended = try await fixture.ended.wait(count: 1)
      // Whichever end noticed first: the client resets the call at its own deadline.
      #expect([.deadlineExceeded, .cancelled].contains(ended[0].code))
    }
  }

  @Test(arguments: ["/t.S/Unary", "/t.S/Letters", "/t.S/Each", "/t.S/Wait"])
  func cancellationCancelsTheHandlersTask(path: String) async throws {
    let gate = Gate()
    try await LoopbackServer.run(Self.gated(gate, HeldCalls())) { fixture in
      let client = try await fixture.connect()
      let call = try await Self.begin(client, path)
      try await gate.events.wait(count: 1)
      call.cancel()
      try await gate.events.wait { $0 == [.entered, .cancelled] }
      #expect(try await fixture.ended.wait(count: 1)[0].code == .cancelled)
      #expect(try await client.echo("/t.Echo/Inline") == "hello")
    }
  }

  @Test(arguments: ["/t.S/Unary", "/t.S/Letters", "/t.S/Each", "/t.S/Wait"])
  func lostConnectionCancelsTheHandlersTask(path: String) async throws {
    let gate = Gate()
    try await LoopbackServer.run(Self.gated(gate, HeldCalls())) { fixture in
      let client = try await fixture.connect()
      _ = try await Self.begin(client, path)
      try await gate.events.wait(count: 1)
      client.close()
      try await gate.events.wait { $0 == [.entered, .cancelled] }
      #expect(try await fixture.ended.wait(count: 1)[0].code == .cancelled)
    }
  }

  @Test func dataPlaneHandlerLearnsThatTheDeadlineHasPassed() async throws {
    let held = HeldCalls()
    try await LoopbackServer.run(Self.gated(Gate(), held)) { fixture in
      let client = try await fixture.connect()
      for timeout in Self.timeouts where held.calls.events.isEmpty {
        let failed = await client.failure("/t.S/Held", timeout: timeout)
        #expect(failed.status.code == .deadlineExceeded)
      }
      let call = try await held.calls.wait(count: 1)[0]
      #expect(call.isCancelled)
      call.succeed(OutgoingMessage("too late".utf8))
      let ended = try await fixture.ended.wait(count: 1)
      #expect([.deadlineExceeded, .cancelled].contains(ended[0].code))
    }
  }

  @Test func dataPlaneHandlerLearnsOfCancellation() async throws {
    let held = HeldCalls()
    try await LoopbackServer.run(Self.gated(Gate(), held)) { fixture in
      let client = try await fixture.connect()
      let answer = Task { await client.failure("/t.S/Held", timeout: .seconds(600)) }
      let call = try await held.calls.wait(count: 1)[0]
      #expect(!call.isCancelled)
      answer.cancel()
      #expect(await answer.value.status.code == .cancelled)
      // Behind the reset on the same connection: when it is answered the reset was processed.
      #expect(try await client.echo("/t.Echo/Inline") == "hello")
      #expect(call.isCancelled)
      call.succeed(OutgoingMessage("nobody waits".utf8))
      try await fixture.ended.wait { ended in
        ended.contains { $0 == .init(method: "Held", code: .cancelled) }
      }
    }
  }

  @Test func callThatIsCancelledBeforeItsRequestIsCompleteReachesNoHandler() async throws {
    let held = HeldCalls()
    try await LoopbackServer.run(Self.gated(Gate(), held)) { fixture in
      let client = try await fixture.connect()
      let call = client.call(CallHead(path: "/t.S/Held"))
      try await call.send(OutgoingMessage("x".utf8))
      #expect(try await client.echo("/t.Echo/Inline") == "hello")
      call.cancel()
      try await fixture.ended.wait { ended in
        ended.contains { $0 == .init(method: "Held", code: .cancelled) }
      }
      #expect(held.calls.events.isEmpty)
    }
  }

  @Test func answerBeatsTheDeadline() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect()
      for method in ["Inline", "OtherThread", "Unary"] {
        #expect(try await client.echo("/t.Echo/\(method)", timeout: .seconds(600)) == "hello")
      }
    }
  }
}
