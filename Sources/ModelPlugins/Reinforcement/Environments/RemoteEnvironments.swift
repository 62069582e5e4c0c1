// SPDX-License-Identifier: Apache-2.0

/// Environments that live elsewhere, behind an exchange.
final class RemoteEnvironments: VectorEnvironment {
  let count: Int
  let elementCount: Int
  private let exchange: any EnvironmentExchange
  private let seed: UInt64
  /// Slots that have had their first reset, which brings the seed.
  private var isSeeded: [Bool]
  /// Slots whose environment was replaced in the course of an episode.
  private var isReplaced: [Bool]

  init(
    _ specification: EnvironmentSpecification, seed: UInt64, exchange: any EnvironmentExchange
  ) {
    count = specification.count
    elementCount = specification.elementCount
    self.exchange = exchange
    self.seed = seed
    isSeeded = Array(repeating: false, count: specification.count)
    isReplaced = Array(repeating: false, count: specification.count)
  }

  func reset(
    _ slots: [Int], episodes: [UInt64], into observations: UnsafeMutablePointer<Float>
  ) throws(PluginError) {
    _ = try perform(slots.map { ($0, nil) }, observations)
  }

  func step(
    _ slots: [Int], actions: [Int], into observations: UnsafeMutablePointer<Float>
  ) throws(PluginError) -> [StepOutcome] {
    try perform(zip(slots, actions).map { ($0, $1) }, observations)
  }

  /// Has each slot make its action, or begin an episode where there is none or the environment is
  /// another than the one that the action was meant for.
  private func perform(
    _ orders: [(slot: Int, action: Int?)], _ observations: UnsafeMutablePointer<Float>
  ) throws(PluginError) -> [StepOutcome] {
    while true {
      let isVoid = orders.map { isReplaced[$0.slot] }
      guard let results = try exchange.perform(orders.map(command)) else {
        isSeeded = Array(repeating: false, count: count)
        isReplaced = Array(repeating: true, count: count)
        continue
      }
      guard results.count == orders.count,
        results.allSatisfy({ $0.observation.count == elementCount })
      else {
        throw PluginError(.internal, "the environments' answers are not what was asked for")
      }
      for (index, order) in orders.enumerated() {
        isSeeded[order.slot] = true
        isReplaced[order.slot] = false
        (observations + index * elementCount).update(
          from: results[index].observation, count: elementCount)
      }
      return zip(results, isVoid).map {
        StepOutcome(
          reward: $0.reward, terminated: $0.terminated, truncated: $0.truncated, isVoid: $1)
      }
    }
  }

  private func command(_ order: (slot: Int, action: Int?)) -> EnvironmentCommand {
    if let action = order.action, !isReplaced[order.slot] {
      return EnvironmentCommand(environment: order.slot, order: .action(action))
    }
    // Gymnasium's custom: a seed once, then the environment's own chance goes on.
    let first = isSeeded[order.slot] ? nil : seed &+ UInt64(order.slot)
    return EnvironmentCommand(environment: order.slot, order: .reset(seed: first))
  }
}
