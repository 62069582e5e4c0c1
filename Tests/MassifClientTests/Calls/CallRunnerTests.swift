// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import TestSupport
import Testing

@testable import MassifClient

/// Retries, reconnection and balancing against connections that a test scripts, on a clock that it
/// moves.
struct CallRunnerTests {
  private let time = FakeTime()

  private func runner(
    _ connector: FakeConnector, _ hosts: [String] = ["a"], _ policy: LoadBalancing = .pickFirst
  ) -> CallRunner {
    CallRunner(
      channel: Channel(hosts, policy, connector, time),
      retry: RetryPolicy(
        maxAttempts: 4,
        backoff: Backoff(initial: .milliseconds(100), multiplier: 2, jitter: 0)),
      surroundings: time.surroundings)
  }

  private func call(
    _ runner: CallRunner, isRepeatable: Bool = true, deadline: Duration? = nil
  ) async throws -> String {
    let deadline = deadline.map { FakeTime.start + $0 }
    let start = CallStart(path: "/t.S/M", deadline: deadline)
    let answer = try await runner.run(deadline: deadline, isRepeatable: isRepeatable) {
      (connection) async throws(CallFailure) in
      try await connection.unary(start, OutgoingMessage([]))
    }
    return String(decoding: answer.bytes, as: UTF8.self)
  }

  @Test func triesAgainUntilItSucceeds() async throws {
    let calls = Counter()
    let connector = FakeConnector { _, _ in
      { _ throws(CallFailure) in
        guard calls.next() > 2 else { throw .unavailable() }
        return "done"
      }
    }
    #expect(try await call(runner(connector)) == "done")
    #expect(calls.value == 3)
    #expect(time.sleeps == [.milliseconds(100), .milliseconds(200)])
    #expect(connector.attempted.count == 1)
  }

  @Test func givesUpAfterTheLastAttempt() async {
    let calls = Counter()
    let connector = FakeConnector { _, _ in
      { _ throws(CallFailure) in
        calls.next()
        throw .unavailable()
      }
    }
    let error = await #expect(throws: MassifError.self) { try await call(runner(connector)) }
    #expect(error?.code == .unavailable)
    #expect(calls.value == 4)
  }

  @Test func makesACallThatMustNotBeRepeatedOnce() async {
    let calls = Counter()
    let connector = FakeConnector { _, _ in
      { _ throws(CallFailure) in
        calls.next()
        throw .unavailable()
      }
    }
    await #expect(throws: MassifError.self) {
      try await call(runner(connector), isRepeatable: false)
    }
    #expect(calls.value == 1)
  }

  @Test func movesACallThatWasNotProcessedToAnotherConnectionAtOnce() async throws {
    let connector = FakeConnector { _, attempt in
      { _ throws(CallFailure) in
        guard attempt > 1 else { throw .unavailable(.certainlyNot) }
        return "second"
      }
    }
    let runner = runner(connector)
    _ = try await runner.channel.connection(deadline: nil)
    connector.connections[0].unusable()
    #expect(try await call(runner, isRepeatable: false) == "second")
    #expect(connector.attempted.count == 2)
    #expect(time.sleeps == [])
  }

  @Test func waitsForAServerThatIsStarting() async throws {
    let connector = FakeConnector { _, attempt throws(MassifError) in
      guard attempt > 2 else { throw MassifError(.unavailable, "refused") }
      return { _ in "up" }
    }
    #expect(try await call(runner(connector), isRepeatable: false) == "up")
    // The pauses are those between connection attempts, to the end.
    #expect(time.sleeps == [.seconds(1), .seconds(1)])
  }

  @Test func saysWhyNoServerCouldBeReached() async {
    let connector = FakeConnector { _, _ throws(MassifError) in
      throw MassifError(.unavailable, "no connection to a:8001: refused")
    }
    let error = await #expect(throws: MassifError.self) { try await call(runner(connector)) }
    #expect(error?.message == "no connection to a:8001: refused")
  }

  @Test func doesNotWaitForMoreThanTheDeadlineAllows() async {
    let connector = FakeConnector { _, _ throws(MassifError) in
      throw MassifError(.unavailable, "refused")
    }
    let runner = runner(connector)
    // From here on the only address pauses for a second.
    await #expect(throws: CallFailure.self) { try await runner.channel.connection(deadline: nil) }
    let error = await #expect(throws: MassifError.self) {
      try await call(runner, deadline: .milliseconds(900))
    }
    #expect(error?.code == .unavailable)
    #expect(time.sleeps == [])
  }

  @Test func refusesADeadlineThatHasPassed() async {
    let connector = FakeConnector { _, _ in { _ in "never" } }
    let error = await #expect(throws: MassifError.self) {
      try await call(runner(connector), deadline: .zero)
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(connector.attempted.isEmpty)
  }

  @Test func fallsBackToTheNextAddress() async throws {
    let connector = FakeConnector { address, _ throws(MassifError) in
      guard address.host != "a" else { throw MassifError(.unavailable, "refused") }
      return { _ in address.host }
    }
    let runner = runner(connector, ["a", "b"])
    for _ in 0..<3 { #expect(try await call(runner) == "b") }
    #expect(connector.attempted.map(\.host) == ["a", "b"])
  }

  @Test func spreadsCallsRoundRobin() async throws {
    let connector = FakeConnector { address, _ in { _ in address.host } }
    let runner = runner(connector, ["a", "b", "c"], .roundRobin)
    // The first call starts all three connections; who answers it is up to the scheduler.
    _ = try await call(runner)
    try await within { while connector.connections.count < 3 { await Task.yield() } }
    var counts: [String: Int] = [:]
    // A connection is known to the channel a moment after it is made.
    try await within {
      while try await Set([call(runner), call(runner), call(runner)]).count < 3 {}
    }
    for _ in 0..<30 { counts[try await call(runner), default: 0] += 1 }
    #expect(counts == ["a": 10, "b": 10, "c": 10])
  }

  @Test func oneConnectionServesCallsThatComeTogether() async throws {
    let gate = Gate()
    let connector = FakeConnector { _, _ in
      await gate.wait()
      return { _ in "ok" }
    }
    let runner = runner(connector)
    try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<20 { group.addTask { try await call(runner) } }
      try await within { while connector.attempted.isEmpty { await Task.yield() } }
      gate.open()
      for try await answer in group { #expect(answer == "ok") }
    }
    #expect(connector.attempted.count == 1)
  }

  @Test func cancellingTheTaskEndsTheWaitForAConnection() async throws {
    let gate = Gate()
    let connector = FakeConnector { _, _ in
      await gate.wait()
      return { _ in "late" }
    }
    let runner = runner(connector)
    let task = Task { try await call(runner) }
    try await within { while connector.attempted.isEmpty { await Task.yield() } }
    task.cancel()
    let error = await #expect(throws: MassifError.self) { try await task.value }
    #expect(error?.code == .cancelled)
    gate.open()
    // The connection is of use to the next call.
    #expect(try await call(runner) == "late")
    #expect(connector.attempted.count == 1)
  }

  @Test func theDeadlineEndsTheWaitForAConnection() async throws {
    let gate = Gate()
    let connector = FakeConnector { _, _ in
      await gate.wait()
      return { _ in "late" }
    }
    let error = await #expect(throws: MassifError.self) {
      try await call(runner(connector), deadline: .seconds(3))
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(time.sleeps == [.seconds(3)])
    gate.open()
  }

  @Test func aClosedClientFailsItsCallsAndClosesItsConnections() async throws {
    let connector = FakeConnector { _, _ in { _ in "ok" } }
    let runner = runner(connector)
    _ = try await call(runner)
    runner.channel.close()
    #expect(connector.connections[0].isClosed)
    #expect(connector.isShutDown)
    let error = await #expect(throws: MassifError.self) { try await call(runner) }
    #expect(error?.code == .cancelled)
    #expect(connector.attempted.count == 1)
  }

  @Test func connectionsGoWithTheLastUseOfTheChannel() async throws {
    let connector = FakeConnector { _, _ in { _ in "ok" } }
    do {
      let runner = runner(connector)
      #expect(try await call(runner) == "ok")
      #expect(!connector.connections[0].isClosed)
    }
    // The task that connected lets go of the channel a moment later.
    try await within { while !connector.isShutDown { await Task.yield() } }
    #expect(connector.connections[0].isClosed)
  }

  /// A connection that is lost before the channel hears that it is there must not be used for ever.
  @Test func aConnectionThatIsLostAtOnceIsNotUsed() async throws {
    struct HastyConnector: Connector {
      let attempts = Counter()
      func connect(
        to address: ServerAddress, unusable: @escaping @Sendable () -> Void
      ) async throws(MassifError) -> any Connection {
        if attempts.next() == 1 { unusable() }
        let number = attempts.value
        return FakeConnection(address, unusable) { _ in "connection \(number)" }
      }
      func shutDown() {}
    }
    let channel = Channel(
      addresses: [ServerAddress(host: "a")], policy: .pickFirst,
      backoff: Backoff(initial: .seconds(1), jitter: 0), connector: HastyConnector(),
      surroundings: time.surroundings)
    let runner = CallRunner(
      channel: channel, retry: RetryPolicy(), surroundings: time.surroundings)
    #expect(try await call(runner) == "connection 2")
    #expect(time.sleeps == [.seconds(1)])
  }
}
