// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Synchronization

@testable import MassifClient

/// A clock that moves when somebody sleeps on it, and only then.
final class FakeTime: Sendable {
  static let start = ContinuousClock.now
  private let elapsed = Mutex(Duration.zero)
  private let all = Mutex([Duration]())

  /// Every sleep, in order.
  var sleeps: [Duration] { all.withLock(\.self) }

  var surroundings: Surroundings {
    Surroundings(
      now: { Self.start + self.elapsed.withLock(\.self) },
      sleep: { duration in
        try Task.checkCancellation()
        self.all.withLock { $0.append(duration) }
        self.elapsed.withLock { $0 += duration }
      }, random: { 0.5 })
  }
}

/// A connection whose answers a test writes.
final class FakeConnection: Connection {
  typealias Unary = @Sendable (CallStart) async throws(CallFailure) -> String

  let address: ServerAddress
  let unusable: @Sendable () -> Void
  private let answer: Unary
  private let closed = Mutex(false)

  init(
    _ address: ServerAddress, _ unusable: @escaping @Sendable () -> Void, _ answer: @escaping Unary
  ) {
    self.address = address
    self.unusable = unusable
    self.answer = answer
  }

  var isClosed: Bool { closed.withLock(\.self) }

  func unary(
    _ start: CallStart, _ message: OutgoingMessage
  ) async throws(CallFailure) -> ReceivedMessage {
    ReceivedMessage(PooledBuffer(copying: Array(try await answer(start).utf8)))
  }

  func serverStreaming(
    _ start: CallStart, _ message: OutgoingMessage,
    receive: @Sendable (ReceivedMessage) async throws -> Void
  ) async throws(CallFailure) {}

  func clientStreaming(
    _ start: CallStart, produce: @Sendable (MessageSink) async throws -> Void
  ) async throws(CallFailure) -> ReceivedMessage {
    ReceivedMessage(PooledBuffer(capacity: 1))
  }

  func bidirectional<Result: Sendable>(
    _ start: CallStart,
    _ body: @Sendable (MessageSink, MessageSource) async throws -> Result
  ) async throws(CallFailure) -> Result {
    throw CallFailure.unavailable(.certainlyNot)
  }

  func close() { closed.withLock { $0 = true } }
}

/// Connects as a test says, and remembers every attempt.
final class FakeConnector: Connector {
  typealias Connect =
    @Sendable (_ address: ServerAddress, _ attempt: Int) async throws(MassifError) ->
    FakeConnection.Unary

  private let connect: Connect
  private let made = Mutex([FakeConnection]())
  private let attempts = Mutex([ServerAddress]())
  private let stopped = Mutex(false)

  init(_ connect: @escaping Connect) { self.connect = connect }

  var connections: [FakeConnection] { made.withLock(\.self) }
  var attempted: [ServerAddress] { attempts.withLock(\.self) }
  var isShutDown: Bool { stopped.withLock(\.self) }

  func connect(
    to address: ServerAddress, unusable: @escaping @Sendable () -> Void
  ) async throws(MassifError) -> any Connection {
    let attempt = attempts.withLock { attempts in
      attempts.append(address)
      return attempts.count
    }
    let connection = FakeConnection(address, unusable, try await connect(address, attempt))
    made.withLock { $0.append(connection) }
    return connection
  }

  func shutDown() { stopped.withLock { $0 = true } }
}

extension CallFailure {
  static func unavailable(_ processing: Processing = .possibly) -> CallFailure {
    CallFailure(error: MassifError(.unavailable, "gone"), processing: processing)
  }
}

extension Channel {
  convenience init(
    _ hosts: [String], _ policy: LoadBalancing = .pickFirst, _ connector: FakeConnector,
    _ time: FakeTime
  ) {
    self.init(
      addresses: hosts.map { ServerAddress(host: $0) }, policy: policy,
      backoff: Backoff(initial: .seconds(1), maximum: .seconds(1), jitter: 0),
      connector: connector, surroundings: time.surroundings)
  }
}
