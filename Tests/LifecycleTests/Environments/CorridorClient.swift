// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import RPCServer
import RPCTransport
import SwiftProtobuf
import Synchronization

@testable import Lifecycle

/// A client with corridors of five states, at whose right ends a reward of 1 waits; it misbehaves as a
/// test asks.
final class CorridorClient: Sendable {
  /// What is wrong with one answer.
  enum Mistake: CaseIterable {
    /// In the same message.
    case twice
    /// In a message of its own.
    case again
    case shape
    case reward
    case missing
    case state
    case number
    case environment
  }

  private struct State {
    var places: [UInt32] = []
    var last: [Massif_V1_EnvironmentResult?] = []
    var session = ""
    var actions: [[UInt32]] = []
    var episodeCount = 0
    var streamCount = 0
    var answerCount = 0
    var mistake: Mistake?
    var repeats = false
  }

  private let state: Mutex<State>
  private let count: Int
  private let actionCount: UInt32
  private let cutAfter: Int?
  private let isSentFirst: Bool
  private let silentAfter: Int?
  private let failsAfter: Int?
  private let isEndless: Bool
  private let team: String

  init(
    count: Int = 2, actions: UInt32 = 2, cutAfter: Int? = nil, isSentFirst: Bool = false,
    silentAfter: Int? = nil, failsAfter: Int? = nil, isEndless: Bool = false,
    mistake: Mistake? = nil, team: String = "vision"
  ) {
    self.count = count
    actionCount = actions
    self.cutAfter = cutAfter
    self.isSentFirst = isSentFirst
    self.silentAfter = silentAfter
    self.failsAfter = failsAfter
    self.isEndless = isEndless
    self.team = team
    var state = State()
    state.places = Array(repeating: 0, count: count)
    state.last = Array(repeating: nil, count: count)
    state.actions = Array(repeating: [], count: count)
    state.mistake = mistake
    self.state = Mutex(state)
  }

  /// What each environment was told to do, steps that were really made.
  var actions: [[UInt32]] { state.withLock { $0.actions } }
  var episodeCount: Int { state.withLock { $0.episodeCount } }
  var streamCount: Int { state.withLock { $0.streamCount } }

  /// One stream; nil where it was cut.
  func attend(_ job: String, _ service: EnvironmentService) async throws -> Massif_V1_Job? {
    state.withLock { $0.streamCount += 1 }
    let (requests, continuation) = AsyncStream<Massif_V1_EnvironmentMessage>.makeStream()
    continuation.yield(
      .with {
        $0.attach.job = job
        $0.attach.specification = .with {
          $0.count = UInt32(count)
          $0.actions = actionCount
          $0.states = 5
        }
        $0.attach.session = state.withLock { $0.session }
      })
    let ended = Mutex<Massif_V1_Job?>(nil)
    let answers = Mutex(0)
    let task = Mutex<Task<Void, any Error>?>(nil)
    let context = try ControlPlaneFixture.context(team: team)
    let running = Task {
      try await translatingErrors {
        try await service.connect(requests, context) { message in
          switch message.message {
          case .attached(let attached): self.begin(attached.session)
          case .ended(let end): ended.withLock { $0 = end.job }
          case .commands(let commands):
            guard let results = self.perform(commands.commands) else { return }
            let number = answers.withLock {
              $0 += 1
              return $0
            }
            let isCut = self.cutAfter.map { number >= $0 } ?? false
            if !isCut || self.isSentFirst {
              continuation.yield(.with { $0.results.results = results })
            }
            if self.isToRepeat() { continuation.yield(.with { $0.results.results = results }) }
            // The server ends a call's task when its connection is lost.
            if isCut { task.withLock { $0?.cancel() } }
          case nil: break
          }
        }
      }
    }
    task.withLock { $0 = running }
    do {
      try await running.value
    } catch let error as RPCError where error.code == .cancelled {
      return nil
    }
    return ended.withLock { $0 }
  }

  private func begin(_ session: String) {
    state.withLock { state in
      guard state.session != session else { return }
      state.session = session
      state.last = Array(repeating: nil, count: count)
    }
  }

  /// Whether the message just sent is sent a second time, once.
  private func isToRepeat() -> Bool {
    state.withLock { state in
      defer { state.repeats = false }
      return state.repeats
    }
  }

  /// Nil for silence.
  private func perform(
    _ commands: [Massif_V1_EnvironmentCommand]
  ) -> [Massif_V1_EnvironmentResult]? {
    state.withLock { state in
      if let silentAfter, state.answerCount >= silentAfter { return nil }
      var results: [Massif_V1_EnvironmentResult] = []
      for command in commands {
        let index = Int(command.environment)
        if let last = state.last[index], last.command == command.number {
          results.append(last)
          continue
        }
        let result = carryOut(command, &state)
        state.last[index] = result
        results.append(result)
      }
      state.answerCount += 1
      spoil(&results, &state)
      return results
    }
  }

  private func carryOut(
    _ command: Massif_V1_EnvironmentCommand, _ state: inout State
  ) -> Massif_V1_EnvironmentResult {
    let index = Int(command.environment)
    var result = Massif_V1_EnvironmentResult()
    result.environment = command.environment
    result.command = command.number
    switch command.command {
    case .action(let action):
      state.actions[index].append(action)
      let place = state.places[index]
      state.places[index] = action == 1 ? min(place + 1, 4) : place - min(place, 1)
      result.terminated = state.places[index] == 4 && !isEndless
      result.reward = result.terminated ? 1 : 0
    case .reset, nil:
      state.places[index] = 0
      state.episodeCount += 1
    }
    result.state = state.places[index]
    if let failsAfter, state.answerCount >= failsAfter { result.failure = "the floor gave way" }
    return result
  }

  /// Makes the mistake once, in the third answer.
  private func spoil(_ results: inout [Massif_V1_EnvironmentResult], _ state: inout State) {
    guard state.answerCount == 3, let mistake = state.mistake else { return }
    state.mistake = nil
    switch mistake {
    case .twice: results.append(results[0])
    case .again: state.repeats = true
    case .reward: results[0].reward = .nan
    case .missing: results[0].observation = nil
    case .shape: results[0].box = Data(count: 4)
    case .state: results[0].state = 5
    case .number: results[0].command += 1
    case .environment: results[0].environment = 2
    }
  }
}
