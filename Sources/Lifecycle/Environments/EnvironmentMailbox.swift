// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import ModelPlugins
import SwiftProtobuf

/// Where a worker's training waits for what environments answer; the thread that listens to the
/// server fills it.
final class EnvironmentMailbox: @unchecked Sendable {
  // SAFETY: everything below is used with the condition locked.
  private let condition = NSCondition()
  private var results: [UInt32: Massif_V1_EnvironmentResult] = [:]
  private var isAttached = false
  /// Whether the environments are others than those that were commanded.
  private var areReplaced = false
  /// When the client came or went.
  private var changed = ContinuousClock.now
  private var isStopped = false
  private let reminder: Duration

  /// - Parameter reminder: how often whoever waits is told that it still does.
  init(reminder: Duration = .seconds(60)) {
    self.reminder = reminder
  }

  /// Takes results in.
  func deliver(_ results: [Massif_V1_EnvironmentResult]) {
    condition.withLock {
      for result in results { self.results[result.environment] = result }
      condition.signal()
    }
  }

  /// Takes in that a client has come or gone.
  ///
  /// - Parameter areReplaced: whether its environments are others than before.
  func setAttached(_ isAttached: Bool, areReplaced: Bool = false) {
    condition.withLock {
      self.isAttached = isAttached
      if areReplaced {
        self.areReplaced = true
        results = [:]
      }
      changed = .now
      condition.signal()
    }
  }

  /// Ends all waiting: the training is to stop.
  func stop() {
    condition.withLock {
      isStopped = true
      condition.signal()
    }
  }

  /// Waits for the results of commands, which were just sent.
  ///
  /// - Parameter stillWaiting: called now and then.
  /// - Returns: the results in the order of the commands; nil when the environments were replaced.
  /// - Throws: `.cancelled`, or `.deadlineExceeded` with who is late.
  func wait(
    for commands: [Massif_V1_EnvironmentCommand], _ demand: EnvironmentDemand,
    stillWaiting: () -> Void
  ) throws(PluginError) -> [Massif_V1_EnvironmentResult]? {
    let sent = ContinuousClock.now
    while true {
      switch condition.withLock({ look(for: commands, demand, since: sent) }) {
      case .answered(let results): return results
      case .replaced: return nil
      case .failed(let error): throw error
      case .waiting: stillWaiting()
      }
    }
  }

  private enum Outcome {
    case answered([Massif_V1_EnvironmentResult])
    case replaced
    case failed(PluginError)
    case waiting
  }

  /// Waits with the condition locked, at most until the next reminder.
  private func look(
    for commands: [Massif_V1_EnvironmentCommand], _ demand: EnvironmentDemand,
    since sent: ContinuousClock.Instant
  ) -> Outcome {
    let end = ContinuousClock.now + reminder
    while true {
      if isStopped { return .failed(PluginError(.cancelled, "the training was told to stop")) }
      if areReplaced {
        areReplaced = false
        return .replaced
      }
      let answers = commands.compactMap { results[$0.environment] }
      if answers.count == commands.count {
        results = [:]
        return .answered(answers)
      }
      let now = ContinuousClock.now
      let limit = isAttached ? demand.answerLimit : demand.attachLimit
      let left = limit - (now - max(sent, changed))
      if left <= .zero { return .failed(late(commands, demand)) }
      if now >= end { return .waiting }
      _ = condition.wait(until: Date(timeIntervalSinceNow: min(left, end - now).seconds))
    }
  }

  private func late(
    _ commands: [Massif_V1_EnvironmentCommand], _ demand: EnvironmentDemand
  ) -> PluginError {
    guard isAttached else {
      return PluginError(
        .deadlineExceeded,
        "no client has lent its environments for \(demand.attachLimit.seconds) s"
          + " (configuration.environment.attach_timeout_seconds)")
    }
    let silent = commands.filter { results[$0.environment] == nil }
    let words = silent.prefix(8).map { "environment \($0.environment), command \($0.number)" }
    return PluginError(
      .deadlineExceeded,
      "no answer within \(demand.answerLimit.seconds) s"
        + " (configuration.environment.answer_timeout_seconds) of \(words.joined(separator: "; "))")
  }
}

/// A training's environments, in the worker: commands go to the server, which has them carried out.
final class WorkerEnvironments: EnvironmentExchange {
  private let demand: EnvironmentDemand
  private let channel: MessageChannel
  private let mailbox: EnvironmentMailbox
  private var numbers: [UInt64]

  init(_ demand: EnvironmentDemand, channel: MessageChannel, mailbox: EnvironmentMailbox) {
    self.demand = demand
    self.channel = channel
    self.mailbox = mailbox
    numbers = Array(repeating: 0, count: demand.specification.count)
  }

  func perform(_ commands: [EnvironmentCommand]) throws(PluginError) -> [EnvironmentResult]? {
    let messages = commands.map { command -> Massif_V1_EnvironmentCommand in
      numbers[command.environment] += 1
      return .with {
        $0.environment = UInt32(command.environment)
        $0.number = numbers[command.environment]
        switch command.order {
        case .reset(let seed?): $0.reset.seed = seed
        case .reset(nil): $0.reset = .init()
        case .action(let action): $0.action = UInt32(action)
        }
      }
    }
    channel.send(
      Massif_V1_Worker_Event.with { $0.environmentCommands.commands = messages })
    // An empty event is a sign of life: the server stops a training that is silent for too long.
    let answered = try mailbox.wait(for: messages, demand) { [channel] in
      channel.send(Massif_V1_Worker_Event())
    }
    guard let answers = answered else {
      numbers = Array(repeating: 0, count: numbers.count)
      channel.send(
        Massif_V1_Worker_Event.with { $0.environmentsWanted = .init(demand.specification) })
      return nil
    }
    if let failed = answers.first(where: { !$0.failure.isEmpty }) {
      throw PluginError(
        .aborted, "environment \(failed.environment) failed: \(failed.failure.prefix(1000))")
    }
    return answers.map { EnvironmentResult($0) }
  }
}

extension EnvironmentResult {
  fileprivate init(_ message: Massif_V1_EnvironmentResult) {
    let observation: [Float] =
      switch message.observation {
      case .state(let state): [Float(state)]
      case .box(let bytes): bytes.floats
      case nil: []
      }
    self.init(
      observation: observation, reward: message.reward, terminated: message.terminated,
      truncated: message.truncated)
  }
}
