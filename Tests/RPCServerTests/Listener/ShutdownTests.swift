// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import Synchronization
import TestSupport
import Testing

struct ShutdownTests {
  @Test func callsInProgressFinish() async throws {
    let (held, gate) = (HeldCalls(), Gate())
    var router = Router.echo
    router.register(dataPlane: "/t.S/Held", requires: .infer, handler: held)
    router.register(unary: "/t.S/Gate", requires: .read) { request, _ in
      try await gate.pass()
      return OutgoingMessage(head: request.buffer)
    }
    try await LoopbackServer.run(router) { fixture in
      let client = try await fixture.connect()
      async let first = client.echo("/t.S/Held", "1")
      async let second = client.echo("/t.S/Gate", "2")
      let call = try await held.calls.wait(count: 1)[0]
      try await gate.events.wait(count: 1)
      let shutdown = Task { await fixture.server.shutdown(grace: .seconds(50)) }
      // The client has heard of it when it counts as draining; only then do the calls go on.
      while client.state == .ready { await Task.yield() }
      call.succeed(OutgoingMessage("done".utf8))
      gate.open()
      #expect(try await first == "done")
      #expect(try await second == "2")
      await shutdown.value
      #expect(fixture.server.connectionCount == 0)
      await #expect(throws: TransportError.self) { try await fixture.connect() }
      try await fixture.ended.wait(count: 2)
    }
  }

  /// Calls keep coming while the server goes: each is answered, or was certainly not begun.
  @Test func noAcceptedCallFailsUnderLoad() async throws {
    let begun = Atomic(0)
    var router = Router.echo
    router.register(unary: "/t.S/Count", requires: .read) { request, _ in
      begun.add(1, ordering: .relaxed)
      await Task.yield()
      return OutgoingMessage(head: request.buffer)
    }
    try await LoopbackServer.run(router) { fixture in
      let answered = Recorder<Void>()
      let clients = [
        try await fixture.connect(), try await fixture.connect(), try await fixture.connect(),
      ]
      let load = Task {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<24 {
            group.addTask {
              let client = clients[number % clients.count]
              while true {
                do throws(CallError) {
                  #expect(try await client.echo("/t.S/Count", "x") == "x")
                  answered.record(())
                } catch {
                  #expect(error.isCertainlyNotProcessed, "\(error)")
                  return
                }
              }
            }
          }
          try await group.waitForAll()
        }
      }
      try await answered.wait(count: 200)
      await fixture.server.shutdown(grace: .seconds(50))
      try await load.value
      #expect(answered.events.count == begun.load(ordering: .relaxed))
    }
  }

  @Test func callsThatOutlastTheGraceAreCancelled() async throws {
    let (held, gate) = (HeldCalls(), Gate())
    var router = Router.echo
    router.register(dataPlane: "/t.S/Held", requires: .infer, handler: held)
    router.register(unary: "/t.S/Gate", requires: .read) { request, _ in
      try await gate.pass()
      return OutgoingMessage(head: request.buffer)
    }
    try await LoopbackServer.run(router) { fixture in
      let client = try await fixture.connect()
      async let first = client.failure("/t.S/Held")
      async let second = client.failure("/t.S/Gate")
      let call = try await held.calls.wait(count: 1)[0]
      try await gate.events.wait(count: 1)
      await fixture.server.shutdown(grace: .milliseconds(50))
      #expect(await first.status.code != .ok)
      #expect(await second.status.code != .ok)
      try await gate.events.wait { $0 == [.entered, .cancelled] }
      #expect(call.isCancelled)
      // The loop is gone: a completion that comes now is dropped, and nothing else happens.
      call.succeed(OutgoingMessage("too late".utf8))
    }
  }

  @Test func subscriptionsAreEndedAndNotWaitedFor() async throws {
    let gate = Gate()
    var router = Router.echo
    router.register(serverStreaming: "/t.S/Watch", requires: .read, isSubscription: true) {
      _, _, responses in
      try await responses.write(OutgoingMessage("now".utf8))
      try await gate.pass()
    }
    try await LoopbackServer.run(router) { fixture in
      let call = try await fixture.connect().call(CallHead(path: "/t.S/Watch"))
      try await call.send(OutgoingMessage(head: nil))
      call.finishSending()
      #expect(try await call.next()?.text == "now")
      try await gate.events.wait(count: 1)
      await fixture.server.shutdown(grace: .seconds(50))
      let status = await call.outcome().status
      #expect(status.code == .unavailable)
      #expect(!status.details.isEmpty)
      try await gate.events.wait { $0 == [.entered, .cancelled] }
    }
  }

  @Test func idleServerStopsAtOnceAndTwice() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      let client = try await fixture.connect()
      #expect(try await client.echo("/t.Echo/Inline") == "hello")
      async let first: Void = fixture.server.shutdown(grace: .seconds(50))
      async let second: Void = fixture.server.shutdown(grace: .seconds(50))
      _ = await (first, second)
      #expect(fixture.server.connectionCount == 0)
    }
  }
}
