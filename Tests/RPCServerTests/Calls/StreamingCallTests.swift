// SPDX-License-Identifier: Apache-2.0
import Dispatch
import RPCServer
import RPCTransport
import TestSupport
import Testing

/// The data plane's streaming calls: requests and responses in flight at the same time.
struct StreamingCallTests {
  private static func router(_ handler: any StreamingDataPlaneHandler) -> Router {
    var router = Router.echo
    router.register(dataPlaneStream: "/t.S/Stream", requires: .infer, handler: handler)
    return router
  }

  private static let head = CallHead(path: "/t.S/Stream")

  private static func send(_ texts: [String], on call: ClientCall) async throws {
    for text in texts { try await call.send(OutgoingMessage(text.utf8)) }
  }

  @Test(arguments: [false, true])
  func everyRequestIsAnswered(onAnotherThread: Bool) async throws {
    let router = Self.router(EchoStream(onAnotherThread: onAnotherThread))
    try await LoopbackServer.run(router) { fixture in
      let call = try await fixture.connect().call(Self.head)
      let texts = (0..<500).map { "request \($0)" }
      async let sending: Void = Self.send(texts, on: call)
      var answers: [String] = []
      for _ in texts { answers.append(try #require(try await call.next()).text) }
      try await sending
      // On the loop they stay in their order; threads may overtake each other.
      #expect(onAnotherThread ? answers.sorted() == texts.sorted() : answers == texts)
      call.finishSending()
      #expect(try await call.next() == nil)
      #expect(await call.outcome().status.code == .ok)
      #expect(try await fixture.ended.wait(count: 1)[0].code == .ok)
    }
  }

  @Test func aCallWithoutRequestsIsFine() async throws {
    try await LoopbackServer.run(Self.router(EchoStream())) { fixture in
      let call = try await fixture.connect().call(Self.head)
      call.finishSending()
      #expect(try await call.next() == nil)
      #expect(await call.outcome().status.code == .ok)
    }
  }

  @Test func responsesComeInTheOrderOfCompletion() async throws {
    let held = HeldStream()
    try await LoopbackServer.run(Self.router(held)) { fixture in
      let call = try await fixture.connect().call(Self.head)
      try await Self.send(["a", "b", "c"], on: call)
      call.finishSending()
      let requests = try await held.requests.wait(count: 3)
      for (position, text) in [(2, "third"), (0, "first"), (1, "second")] {
        requests[position].call.respond(OutgoingMessage("\(text) begins".utf8))
        requests[position].complete("\(text) ends")
      }
      var answers: [String] = []
      for try await message in call.messages { answers.append(message.text) }
      #expect(
        answers == [
          "third begins", "third ends", "first begins", "first ends", "second begins",
          "second ends",
        ])
    }
  }

  @Test func aRequestMayEndWithoutAnAnswer() async throws {
    let held = HeldStream()
    try await LoopbackServer.run(Self.router(held)) { fixture in
      let call = try await fixture.connect().call(Self.head)
      try await Self.send(["a"], on: call)
      call.finishSending()
      try await held.requests.wait(count: 1)[0].complete(nil)
      #expect(try await call.next() == nil)
      #expect(await call.outcome().status.code == .ok)
    }
  }

  @Test func aFailureEndsTheCallAndNothingElse() async throws {
    let held = HeldStream()
    try await LoopbackServer.run(Self.router(held)) { fixture in
      let client = try await fixture.connect()
      let call = client.call(Self.head)
      try await Self.send(["a", "b"], on: call)
      let requests = try await held.requests.wait(count: 2)
      requests[0].call.fail(.invalidArgument("shape", "expected [4], came [5]"))
      requests[0].complete(nil)
      #expect(await call.outcome().status.code == .invalidArgument)
      // The other request is open, so the call has not ended for the server.
      #expect(try await client.echo("/t.Echo/Inline") == "hello")
      #expect(requests[1].call.isCancelled)
      #expect(fixture.ended.events.map(\.method) == ["Inline"])
      requests[1].complete("nobody waits for it")
      #expect(try await fixture.ended.wait(count: 2)[1].code == .invalidArgument)
    }
  }

  @Test func cancellationIsSeenAndTheCallEndsWithItsLastRequest() async throws {
    let held = HeldStream()
    try await LoopbackServer.run(Self.router(held)) { fixture in
      let client = try await fixture.connect()
      let call = client.call(Self.head)
      try await Self.send(["a"], on: call)
      let request = try await held.requests.wait(count: 1)[0]
      #expect(!request.call.isCancelled)
      call.cancel()
      // Calls of the connection keep their order: behind this one the cancellation has arrived.
      #expect(try await client.echo("/t.Echo/Inline") == "hello")
      #expect(request.call.isCancelled)
      request.complete("nobody waits for it")
      let ended = try await fixture.ended.wait { $0.contains { $0.method == "Stream" } }
      #expect(ended.last == .init(method: "Stream", code: .cancelled))
    }
  }

  @Test func theDeadlineEndsTheCall() async throws {
    let held = HeldStream()
    try await LoopbackServer.run(Self.router(held)) { fixture in
      let client = try await fixture.connect()
      let call = client.call(CallHead(path: "/t.S/Stream", timeout: .seconds(1)))
      try await Self.send(["a"], on: call)
      let request = try await held.requests.wait(count: 1)[0]
      #expect(await call.outcome().status.code == .deadlineExceeded)
      try await request.awaitCancellation()
      request.complete("nobody waits for it")
      let ended = try await fixture.ended.wait(count: 1)
      #expect([.deadlineExceeded, .cancelled].contains(ended[0].code))
    }
  }

  @Test func requestsBeyondTheBoundWait() async throws {
    let held = HeldStream()
    try await LoopbackServer.run(Self.router(held)) { fixture in
      let client = try await fixture.connect()
      let call = client.call(Self.head)
      let bound = StreamingCall.maxOpenRequests
      try await Self.send((0..<bound + 40).map { "\($0)" }, on: call)
      call.finishSending()
      try await held.requests.wait(count: bound)
      for _ in 0..<20 { #expect(try await client.echo("/t.Echo/Inline") == "hello") }
      #expect(held.requests.events.count == bound)
      for request in held.requests.events { request.complete(nil) }
      for request in try await held.requests.wait(count: bound + 40)[bound...] {
        request.complete(nil)
      }
      #expect(await call.outcome().status.code == .ok)
    }
  }

  @Test func requestsThatAreLargeInSumWait() async throws {
    let held = HeldStream()
    try await LoopbackServer.run(Self.router(held)) { fixture in
      let call = try await fixture.connect().call(Self.head)
      let message = OutgoingMessage(BackPressureTests.chunk)
      let sending = Task { for _ in 0..<40 { try await call.send(message) } }
      let bound = StreamingCall.maxOpenByteCount / BackPressureTests.chunk.count
      try await held.requests.wait(count: bound)
      let client = try await fixture.connect()
      for _ in 0..<20 { #expect(try await client.echo("/t.Echo/Inline") == "hello") }
      #expect(held.requests.events.count == bound)
      call.cancel()
      _ = await sending.result
      for request in held.requests.events { request.complete(nil) }
      try await fixture.ended.wait { $0.contains { $0.method == "Stream" } }
    }
  }

  /// A client that does not read its answers is not read either: its requests wait with it.
  @Test func aClientThatDoesNotReadIsHeldBack() async throws {
    let taken = Recorder<Void>()
    let router = Self.router(EchoStream(answer: BackPressureTests.chunk, taken: taken))
    try await LoopbackServer.run(router) { fixture in
      let client = try await fixture.connect()
      let call = client.call(Self.head)
      let count = BackPressureTests.count
      let sending = Task {
        try await Self.send((0..<count).map { "\($0)" }, on: call)
        call.finishSending()
      }
      try await taken.wait(count: 1)
      let other = try await fixture.connect()
      for _ in 0..<50 { #expect(try await other.echo("/t.Echo/Inline") == "hello") }
      #expect(taken.events.count < count)
      var received = 0
      for try await message in call.messages {
        #expect(message.bytes.count == BackPressureTests.chunk.count)
        received += 1
      }
      #expect(received == count)
      try await sending.value
    }
  }

  @Test func anInternalErrorIsToldByItsIDOnly() async throws {
    let held = HeldStream()
    try await LoopbackServer.run(Self.router(held)) { fixture in
      let call = try await fixture.connect().call(Self.head)
      try await Self.send(["a"], on: call)
      let request = try await held.requests.wait(count: 1)[0]
      let status = request.call.status(of: RPCError(.internal, "/secret/path"))
      #expect(!status.message.contains("secret"))
      let line = try #require(fixture.log.events.first { $0.contains("/secret/path") })
      let id = try #require(status.message.split(separator: " ").last)
      #expect(line.contains("id=\(id)"))
      request.complete(nil)
      call.finishSending()
      #expect(await call.outcome().status.code == .ok)
    }
  }
}

/// Answers every request of a streaming call with itself, or always with the same.
private final class EchoStream: StreamingDataPlaneHandler, StreamingCallReceiver {
  let onAnotherThread: Bool
  let answer: [UInt8]?
  let taken: Recorder<Void>

  init(
    onAnotherThread: Bool = false, answer: [UInt8]? = nil, taken: Recorder<Void> = Recorder()
  ) {
    self.onAnotherThread = onAnotherThread
    self.answer = answer
    self.taken = taken
  }

  func open(_ call: StreamingCall) -> any StreamingCallReceiver { self }

  func receive(_ request: ReceivedMessage, of call: StreamingCall) {
    taken.record(())
    let answer = answer.map { OutgoingMessage($0) } ?? OutgoingMessage(head: request.buffer)
    let complete = { @Sendable in
      call.complete(answer, requestByteCount: request.bytes.count)
    }
    if onAnotherThread { DispatchQueue.global().async(execute: complete) } else { complete() }
  }
}

/// Keeps the requests of streaming calls until the test completes them.
private final class HeldStream: StreamingDataPlaneHandler, StreamingCallReceiver {
  struct Request: Sendable {
    let call: StreamingCall
    let message: ReceivedMessage

    func complete(_ answer: String?) {
      call.complete(
        answer.map { OutgoingMessage($0.utf8) }, requestByteCount: message.bytes.count)
    }

    /// The server's own clock ends the call: it may be a little behind the client's.
    func awaitCancellation() async throws {
      try await within { while !call.isCancelled { await Task.yield() } }
    }
  }

  let requests = Recorder<Request>()

  func open(_ call: StreamingCall) -> any StreamingCallReceiver { self }

  func receive(_ request: ReceivedMessage, of call: StreamingCall) {
    requests.record(Request(call: call, message: request))
  }
}
