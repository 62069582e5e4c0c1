// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import RPCServer
import RPCTransport
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

@testable import MassifClient

/// Environments lent by the SDK to a learner whose stream breaks off, over TLS.
struct LendingTests {
  private let authority: TestAuthority

  init() throws { authority = try TestAuthority() }

  /// Commands one environment to begin and to make some actions.
  ///
  /// Every stream breaks off at its fourth command, before the answer or, every other time, after it.
  private final class Learner: Sendable {
    struct State {
      var number: UInt64 = 1
      var streamCount = 0
      var sessions: [String] = []
      var lost: Massif_V1_EnvironmentResult?
      var results: [Massif_V1_EnvironmentResult] = []
    }

    let state = Mutex(State())
    let actions: [UInt32]

    init(actions: [UInt32]) { self.actions = actions }

    func attend(_ requests: RequestMessages, _ responses: ResponseWriter) async throws {
      var messages = requests.makeAsyncIterator()
      guard let attach = try await Self.message(&messages) else { return }
      let breaksEarly = state.withLock { state in
        state.streamCount += 1
        state.sessions.append(attach.attach.session)
        return state.streamCount % 2 == 1
      }
      try await Self.send(.with { $0.attached.session = "job-1" }, responses)
      var count = 0
      while let command = next() {
        try await Self.send(.with { $0.commands.commands = [command] }, responses)
        count += 1
        if count == 4, breaksEarly { throw RPCError(.unavailable, "the stream breaks off") }
        guard let answer = try await Self.message(&messages) else { return }
        let result = answer.results.results[0]
        if count == 4 {
          state.withLock { $0.lost = result }
          throw RPCError(.unavailable, "the stream breaks off")
        }
        state.withLock { state in
          // What was told before it was lost is told again, word for word.
          if let lost = state.lost { #expect(result == lost) }
          state.lost = nil
          state.results.append(result)
          state.number += 1
        }
      }
      try await Self.send(.with { $0.ended.job.state = .succeeded }, responses)
    }

    private func next() -> Massif_V1_EnvironmentCommand? {
      let number = state.withLock { $0.number }
      guard number <= actions.count + 1 else { return nil }
      return .with {
        $0.number = number
        if number == 1 { $0.reset = .init() } else { $0.action = actions[Int(number) - 2] }
      }
    }

    private static func message(
      _ messages: inout RequestMessages.AsyncIterator
    ) async throws -> Massif_V1_EnvironmentMessage? {
      guard let message = try await messages.next() else { return nil }
      return try Massif_V1_EnvironmentMessage(serializedBytes: Array(message.bytes))
    }

    private static func send(
      _ message: Massif_V1_LearnerMessage, _ responses: ResponseWriter
    ) async throws {
      try await responses.write(OutgoingMessage(try message.serializedBytes() as [UInt8]))
    }
  }

  @Test func aStreamThatBreaksOffLosesNothingAndDoublesNothing() async throws {
    let learner = Learner(actions: (0..<12).map { $0 % 5 })
    var router = Router()
    router.register(bidirectional: "/massif.v1.Environments/Connect", requires: .write) {
      requests, _, responses in
      try await learner.attend(requests, responses)
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      let made = Recorder<Int>()
      let job = try await client.environments.lend(
        [Summing(made: made)],
        specification: EnvironmentSpecification(observation: .states(100), actions: 5), to: "job")
      #expect(job.state == .succeeded)
      // Each action once, in the order of the commands, and the reset before them.
      #expect(made.events == [-1] + learner.actions.map { Int($0) })
    }
    learner.state.withLock { state in
      #expect(state.streamCount >= 5)
      #expect(state.sessions.first == "" && state.sessions.dropFirst().allSatisfy { $0 == "job-1" })
      var sum: UInt32 = 0
      let sums = learner.actions.map { action -> UInt32 in
        sum += action
        return sum
      }
      #expect(state.results.map(\.state) == [0] + sums)
    }
  }
}

/// Adds up its actions and remembers them; -1 is a reset.
private struct Summing: Environment {
  let made: Recorder<Int>
  private var sum = 0

  init(made: Recorder<Int>) { self.made = made }

  mutating func reset(seed: UInt64?) async throws -> EnvironmentObservation {
    made.record(-1)
    sum = 0
    return .state(sum)
  }

  mutating func step(_ action: Int) async throws -> EnvironmentStep {
    made.record(action)
    sum += action
    return EnvironmentStep(observation: .state(sum), reward: 0)
  }
}
