// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import RPCTransport

/// Calls that end otherwise than by an answer, connections that drain, and readers that are slow.
@Suite struct EndOfCallTests {
  private func hang(_ loopback: Loopback, _ timeout: Duration? = nil) -> Task<Void, any Error> {
    Task {
      _ = try await loopback.client.unary(
        CallHead(path: "/test/Hang", timeout: timeout), OutgoingMessage([1]))
    }
  }

  @Test func aCancelledTaskResetsItsCall() async throws {
    let loopback = try await Loopback()
    let task = hang(loopback)
    try await loopback.server.events.wait { $0.contains(.ended) }
    task.cancel()
    let error = await #expect(throws: CallError.self) { try await within { try await task.value } }
    #expect(error?.status.code == .cancelled)
    try await loopback.server.events.wait { $0.contains(.cancelled("/test/Hang")) }
    #expect(loopback.client.openCalls == 0)
    #expect(loopback.client.state == .ready)
  }

  @Test func aTaskCancelledBeforeItsCallSendsNothing() async throws {
    let loopback = try await Loopback()
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      _ = try await loopback.client.unary(CallHead(path: "/test/Hang"), OutgoingMessage([1]))
    }
    let error = await #expect(throws: CallError.self) { try await within { try await task.value } }
    #expect(error?.status.code == .cancelled)
  }

  @Test func aDeadlineEndsTheCallOnBothSides() async throws {
    let loopback = try await Loopback()
    let error = await #expect(throws: CallError.self) {
      try await within { try await hang(loopback, .milliseconds(50)).value }
    }
    #expect(error?.status.code == .deadlineExceeded)
    try await loopback.server.events.wait { $0.contains(.cancelled("/test/Hang")) }
  }

  @Test func aLostConnectionEndsItsCalls() async throws {
    let loopback = try await Loopback()
    let task = hang(loopback)
    try await loopback.server.events.wait { $0.contains(.ended) }
    try await loopback.server.onLoop { loopback.server.connections.forEach { $0.close() } }
    let error = await #expect(throws: CallError.self) { try await within { try await task.value } }
    #expect(error?.status.code == .unavailable)
    #expect(error?.isCertainlyNotProcessed == false)
    try await loopback.clientEvents.events.wait { $0.contains(.closed(.connectionClosed)) }
    #expect(loopback.client.state == .closed)
    let late = await #expect(throws: CallError.self) {
      try await within {
        try await loopback.client.unary(CallHead(path: "/test/Echo"), OutgoingMessage([1]))
      }
    }
    #expect(late?.isCertainlyNotProcessed == true)
  }

  @Test func aClosingClientCancelsItsCallsAtTheServer() async throws {
    let loopback = try await Loopback()
    let task = hang(loopback)
    try await loopback.server.events.wait { $0.contains(.ended) }
    loopback.client.close()
    let error = await #expect(throws: CallError.self) { try await within { try await task.value } }
    #expect(error?.status.code == .unavailable)
    try await loopback.server.events.wait { $0.contains(.cancelled("/test/Hang")) }
  }

  @Test func aClientThatShutsDownFinishesItsCalls() async throws {
    let loopback = try await Loopback()
    let task = hang(loopback)
    try await loopback.server.events.wait { $0.contains(.ended) }
    loopback.client.shutDown()
    try await loopback.clientEvents.events.wait { $0.contains(.draining) }
    try await loopback.server.onLoop {
      loopback.server.handlers[0].stream.send(OutgoingMessage([1]))
      loopback.server.handlers[0].stream.finish(.ok)
    }
    try await within { try await task.value }
    try await loopback.clientEvents.events.wait { $0.contains(.closed(.connectionClosed)) }
  }

  @Test func messagesBehindALimitFailTheirCall() async throws {
    let loopback = try await Loopback()
    let upload = await #expect(throws: CallError.self) {
      try await within {
        try await loopback.client.unary(
          CallHead(path: "/test/Small"), OutgoingMessage([UInt8](repeating: 0, count: 17)))
      }
    }
    #expect(upload?.status.code == .resourceExhausted)
    #expect(upload?.status.message.contains("at most 16") == true)
    let download = await #expect(throws: CallError.self) {
      try await within {
        try await loopback.client.unary(
          CallHead(path: "/test/Size", maxMessageSize: 999), OutgoingMessage(TestServer.bytes(1000))
        )
      }
    }
    #expect(download?.status.code == .resourceExhausted)
    #expect(loopback.client.state == .ready)
  }

  @Test func callsBeyondTheServersNumberWait() async throws {
    var configuration = ConnectionConfiguration()
    configuration.maxConcurrentStreams = 2
    let loopback = try await Loopback(server: configuration)
    let tasks = (0..<3).map { _ in hang(loopback) }
    try await loopback.server.events.wait { $0.filter { $0 == .ended }.count == 2 }
    // A round trip later the third has still not come.
    try await loopback.server.onLoop {
      #expect(loopback.server.handlers.count == 2)
      loopback.server.handlers[0].stream.finish(Status(.aborted))
    }
    try await loopback.server.events.wait { $0.filter { $0 == .ended }.count == 3 }
    for task in tasks { task.cancel() }
    for task in tasks { await #expect(throws: CallError.self) { try await task.value } }
  }

  // MARK: Drain

  @Test func aDrainingServerFinishesItsCalls() async throws {
    let loopback = try await Loopback()
    let task = hang(loopback)
    try await loopback.server.events.wait { $0.contains(.ended) }
    try await loopback.server.onLoop { loopback.server.connections[0].drain() }
    try await loopback.clientEvents.events.wait { $0.contains(.draining) }
    let refused = await #expect(throws: CallError.self) {
      try await within {
        try await loopback.client.unary(CallHead(path: "/test/Echo"), OutgoingMessage([1]))
      }
    }
    #expect(refused?.status.code == .unavailable)
    #expect(refused?.isCertainlyNotProcessed == true)
    try await loopback.server.onLoop {
      loopback.server.handlers[0].stream.send(OutgoingMessage([1]))
      loopback.server.handlers[0].stream.finish(.ok)
    }
    try await within { try await task.value }
    try await loopback.clientEvents.events.wait { $0.contains(.closed(.connectionClosed)) }
    try await loopback.server.events.wait { $0.contains(.closed(.connectionClosed)) }
  }

  @Test func anIdleConnectionDrainsAtOnce() async throws {
    let loopback = try await Loopback()
    try await loopback.server.onLoop { loopback.server.connections[0].drain() }
    try await loopback.server.events.wait { $0.contains(.closed(.connectionClosed)) }
    try await loopback.clientEvents.events.wait { $0.contains(.closed(.connectionClosed)) }
  }

  /// Calls without a pause while the server drains: each is answered, or was certainly not seen.
  @Test(arguments: 0..<5) func noAcceptedCallIsLostInADrain(_ round: Int) async throws {
    let loopback = try await Loopback()
    let answered = Recorder<Int>()
    let body = [UInt8](repeating: 5, count: 20_000)
    try await within {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for task in 0..<8 {
          group.addTask {
            do {
              while true {
                let answer = try await loopback.client.unary(
                  CallHead(path: "/test/Echo"), OutgoingMessage(body))
                #expect(answer.message.buffer.count == body.count)
                answered.record(task)
              }
            } catch let error as CallError {
              #expect(error.isCertainlyNotProcessed, "\(error)")
            }
          }
        }
        try await answered.wait(count: 20 + round * 7)
        try await loopback.server.onLoop { loopback.server.connections[0].drain() }
        try await group.waitForAll()
      }
    }
    let seen = loopback.server.events.events.filter { $0 == .ended }.count
    #expect(seen == answered.events.count)
  }

  // MARK: Flow control

  /// A server that does not read holds a window's worth, and the writer waits.
  @Test func aReaderThatPausesStopsTheWriter() async throws {
    var configuration = ConnectionConfiguration()
    configuration.streamWindowByteCount = 64 << 10
    var client = ConnectionConfiguration()
    client.highWaterByteCount = 64 << 10
    client.lowWaterByteCount = 16 << 10
    let loopback = try await Loopback(server: configuration, client: client)
    let call = loopback.client.call(CallHead(path: "/test/Paused"))
    let sent = Recorder<Int>()
    let count = 50
    let writer = Task {
      for number in 0..<count {
        try await call.send(OutgoingMessage([UInt8](repeating: 1, count: 10_000)))
        sent.record(number)
      }
      call.finishSending()
    }
    try await loopback.server.events.wait { $0.contains(.opened("/test/Paused")) }
    // Other calls go on, and their answers come behind what the paused one may send.
    for _ in 0..<20 {
      _ = try await within {
        try await loopback.client.unary(
          CallHead(path: "/test/Echo"), OutgoingMessage([UInt8](repeating: 2, count: 30_000)))
      }
    }
    #expect(!loopback.server.events.events.contains(.received(10_000)))
    // Window, high-water mark and the message that reached it.
    #expect(sent.events.count <= 15)
    try await loopback.server.onLoop { loopback.server.handlers[0].stream.resumeReading() }
    try await within { try await writer.value }
    try await loopback.server.events.wait {
      $0.filter { $0 == .received(10_000) }.count == count
    }
    let outcome = try await within { await call.outcome() }
    #expect(outcome.status.code == .ok)
    #expect(outcome.trailers["total"] == "\(count * 10_000)")
  }

  /// A client that does not read: the server's memory for it is bounded, and all comes in the end.
  @Test func aClientThatReadsLateGetsEverything() async throws {
    let loopback = try await Loopback()
    let count = 300
    let call = loopback.client.call(CallHead(path: "/test/Produce"))
    try await within {
      try await call.send(OutgoingMessage(TestServer.bytes(count)))
      call.finishSending()
      _ = try await call.next()
    }
    for _ in 0..<20 {
      let pending = try await loopback.server.onLoop {
        loopback.server.handlers[0].stream.pendingByteCount
      }
      #expect(pending <= (1 << 20) + (65 << 10))
      _ = try await within {
        try await loopback.client.unary(CallHead(path: "/test/Echo"), OutgoingMessage([1]))
      }
    }
    #expect(loopback.server.events.events.contains(.opened("/test/Produce")))
    let rest = try await within {
      var rest = 0
      for try await message in call.messages { rest += message.buffer.count }
      return rest
    }
    #expect(rest == (count - 1) * (64 << 10))
  }

  /// The whole answer has come, and the stream is gone, before the reader takes it.
  @Test func messagesOutliveTheirStream() async throws {
    let loopback = try await Loopback()
    let count = 80
    let call = loopback.client.call(CallHead(path: "/test/Echo"))
    try await within {
      for _ in 0..<count { try await call.send(OutgoingMessage([1, 2, 3])) }
      call.finishSending()
    }
    try await loopback.server.events.wait { $0.contains(.ended) }
    for _ in 0..<5 {
      _ = try await within {
        try await loopback.client.unary(CallHead(path: "/test/Echo"), OutgoingMessage([1]))
      }
    }
    loopback.client.close()
    try await loopback.clientEvents.events.wait { $0.contains(.closed(.connectionClosed)) }
    let seen = try await within {
      var seen = 0
      for try await _ in call.messages { seen += 1 }
      return seen
    }
    #expect(seen == count)
  }

  // MARK: Connecting

  @Test func aPortThatNobodyListensOnIsRefused() async throws {
    let loopback = try await Loopback()
    let tls = try TLSContext.client(loopback.authority.client())
    let listener = try ListeningSocket(
      address: SocketAddress(host: "127.0.0.1", port: 0), loop: loopback.clientLoop)
    let port = listener.localAddress.port
    listener.close()
    let error = await #expect(throws: TransportError.self) {
      try await within {
        _ = try await ClientConnection.connect(
          host: "127.0.0.1", port: port, tls: tls, loop: loopback.clientLoop)
      }
    }
    #expect(error?.message.contains("127.0.0.1") == true)
  }

  @Test func aCancelledConnectIsGivenUp() async throws {
    let loopback = try await Loopback()
    // Listens and never accepts, so the handshake has no answer.
    let silent = try ListeningSocket(
      address: SocketAddress(host: "127.0.0.1", port: 0), loop: loopback.clientLoop)
    defer { silent.close() }
    let port = silent.localAddress.port
    let tls = try TLSContext.client(loopback.authority.client())
    let task = Task {
      _ = try await ClientConnection.connect(
        host: "127.0.0.1", port: port, tls: tls, loop: loopback.clientLoop)
    }
    task.cancel()
    let error = await #expect(throws: TransportError.self) {
      try await within { try await task.value }
    }
    #expect(error?.code == .cancelled)
  }

  @Test func aServerThatFallsSilentIsNoticedByKeepalive() async throws {
    let loopback = try await Loopback()
    var configuration = ConnectionConfiguration()
    configuration.keepaliveInterval = .milliseconds(500)
    configuration.keepaliveTimeout = .milliseconds(100)
    var lenient = ConnectionConfiguration()
    lenient.minPingInterval = .zero
    let server = try TestServer(loopback.authority.server(), configuration: lenient)
    defer { server.stop() }
    let tls = try TLSContext.client(loopback.authority.client())
    let events = ClientEvents()
    let patient = configuration
    let client = try await within {
      try await ClientConnection.connect(
        host: "127.0.0.1", port: server.port, tls: tls, configuration: patient,
        loop: loopback.clientLoop, delegate: events)
    }
    // A loop that is busy with nothing answers no pings.
    let release = Recorder<Void>()
    server.loop.execute {
      while release.events.isEmpty {}
    }
    try await events.events.wait { $0.contains(.closed(.timeout)) }
    release.record(())
    #expect(client.state == .closed)
  }
}
