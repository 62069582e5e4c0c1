// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import MassifAPI

/// Carries a learner's commands out, each once, however often it is told.
///
/// It keeps the result of the last command of each environment: after a lost connection the server
/// cannot know whether the command reached its environment, and asks again.
struct EnvironmentLender {
  private var environments: [any Environment]
  /// The last session that it was told of.
  private(set) var session = ""
  /// The last command of each environment and what came of it.
  private var last: [Massif_V1_EnvironmentResult?]
  /// Results so far, those that were told again included.
  private(set) var answerCount = 0

  init(_ environments: [any Environment]) {
    self.environments = environments
    last = environments.map { _ in nil }
  }

  var count: Int { environments.count }

  /// Takes in who commands; another worker begins anew.
  mutating func begin(session: String) {
    guard session != self.session else { return }
    self.session = session
    last = environments.map { _ in nil }
  }

  /// Carries commands out, or answers from memory.
  ///
  /// - Throws: `.internal` for a command that cannot follow the last one.
  mutating func perform(
    _ commands: [Massif_V1_EnvironmentCommand]
  ) async throws -> [Massif_V1_EnvironmentResult] {
    var results: [Massif_V1_EnvironmentResult] = []
    for command in commands {
      let index = Int(command.environment)
      guard environments.indices.contains(index) else {
        throw MassifError(.internal, "the server commands environment \(index) of \(count)")
      }
      let done = last[index]?.command ?? 0
      if let result = last[index], command.number == done {
        results.append(result)
        answerCount += 1
        continue
      }
      guard command.number == done + 1 else {
        throw MassifError(
          .internal,
          "environment \(index): expected command \(done) or \(done + 1), came \(command.number)")
      }
      let result = try await carryOut(command, in: index)
      last[index] = result
      results.append(result)
      answerCount += 1
    }
    return results
  }

  private mutating func carryOut(
    _ command: Massif_V1_EnvironmentCommand, in index: Int
  ) async throws(CancellationError) -> Massif_V1_EnvironmentResult {
    var result = Massif_V1_EnvironmentResult()
    result.environment = command.environment
    result.command = command.number
    do {
      switch command.command {
      case .reset(let reset):
        result.set(try await environments[index].reset(seed: reset.hasSeed ? reset.seed : nil))
      case .action(let action):
        let step = try await environments[index].step(Int(action))
        result.set(step.observation)
        result.reward = step.reward
        result.terminated = step.terminated
        result.truncated = step.truncated
      case nil: result.failure = "the command is of a kind that this client does not know"
      }
    } catch {
      // A task that was cancelled gives up; that says nothing of the environment.
      if Task.isCancelled { throw CancellationError() }
      result.failure = String("\(error)".prefix(1000))
      if result.failure.isEmpty { result.failure = "no reason given" }
    }
    return result
  }
}

extension Massif_V1_EnvironmentResult {
  fileprivate mutating func set(_ observation: EnvironmentObservation) {
    switch observation {
    case .state(let number): state = UInt32(clamping: number)
    case .box(let elements):
      var bytes = Data(capacity: 4 * elements.count)
      for element in elements {
        withUnsafeBytes(of: element.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
      }
      box = bytes
    }
  }
}

extension Massif_V1_EnvironmentSpecification {
  init(_ specification: EnvironmentSpecification, count: Int) {
    self.init()
    self.count = UInt32(clamping: count)
    actions = UInt32(clamping: specification.actions)
    switch specification.observation {
    case .states(let number): states = UInt32(clamping: number)
    case .box(let shape): box.shape = shape.map { UInt32(clamping: $0) }
    }
  }
}
