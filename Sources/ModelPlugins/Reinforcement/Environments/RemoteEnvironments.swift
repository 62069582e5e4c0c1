// SPDX-License-Identifier: Apache-2.0

/// Environments that live elsewhere, behind an exchange.
final class RemoteEnvironments: VectorEnvironment {
  let count: Int
  let elementCount: Int
  private let exchange: any EnvironmentExchange
  private let seed: UInt64
  /// Slots that have had their first reset, which brings the seed.
  private var isSeeded: [Bool]

  init(
    _ specification: EnvironmentSpecification, seed: UInt64, exchange: any EnvironmentExchange
  ) {
    count = specification.count
    elementCount = specification.elementCount
    self.exchange = exchange
    self.seed = seed
    isSeeded = Array(repeating: false, count: specification.count)
  }

  func reset(
    _ slots: [Int], episodes: [UInt64], into observations: UnsafeMutablePointer<Float>
  ) throws(PluginError) {
    var commands: [EnvironmentCommand] = []
    for slot in slots {
      // Gymnasium's custom: a seed once, then the environment's own chance goes on.
      let seed = isSeeded[slot] ? nil : seed &+ UInt64(slot)
      isSeeded[slot] = true
      commands.append(EnvironmentCommand(environment: slot, order: .reset(seed: seed)))
    }
    _ = try perform(commands, observations)
  }

  func step(
    _ slots: [Int], actions: [Int], into observations: UnsafeMutablePointer<Float>
  ) throws(PluginError) -> [StepOutcome] {
    let commands = zip(slots, actions).map {
      EnvironmentCommand(environment: $0, order: .action($1))
    }
    return try perform(commands, observations).map {
      StepOutcome(reward: $0.reward, terminated: $0.terminated, truncated: $0.truncated)
    }
  }

  private func perform(
    _ commands: [EnvironmentCommand], _ observations: UnsafeMutablePointer<Float>
  ) throws(PluginError) -> [EnvironmentResult] {
    let results = try exchange.perform(commands)
    guard results.count == commands.count,
      results.allSatisfy({ $0.observation.count == elementCount })
    else { throw PluginError(.internal, "the environments' answers are not what was asked for") }
    for (index, result) in results.enumerated() {
      (observations + index * elementCount).update(from: result.observation, count: elementCount)
    }
    return results
  }
}
