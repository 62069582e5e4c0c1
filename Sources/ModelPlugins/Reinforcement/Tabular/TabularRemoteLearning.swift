// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Learning in environments that make their steps together and elsewhere: the tabular families with
/// the caller's environments.
///
/// Several episodes run at a time, one in each slot; within a tick slots go in order.
struct TabularRemoteLearning {
  let environments: any VectorEnvironment
  let limit: StepLimit
  let stateCount: Int
  let seed: UInt64

  /// An episode under way.
  private struct Slot {
    var index: Int
    var episode: UInt64
    var random: Philox
    var state: Int
    var action = 0
    var result = TabularSimulation.Episode()
  }

  /// Plays episodes and, with terms, learns from them.
  ///
  /// - Parameters:
  ///   - first: the number of the first episode; streams are keyed by it.
  ///   - terms: what holds for an episode of that number; nil to play the best actions.
  ///   - ended: told of each episode; false stops.
  func run(
    _ values: ActionValues, episodes count: Int, first: UInt64, stream: UInt64,
    terms: (UInt64) -> TabularSimulation.Terms?, ended: (TabularSimulation.Episode) -> Bool
  ) throws(PluginError) {
    var begun = 0
    var slots: [Slot] = []
    let observations = UnsafeMutablePointer<Float>.allocate(capacity: environments.count)
    defer { observations.deallocate() }

    func choose(_ slot: Slot) -> Int {
      guard let terms = terms(slot.episode) else { return values.greedy(slot.state) }
      return values.choose(
        slot.state, terms.policy, level: terms.level,
        slot.random.words(ofBlock: UInt64(slot.result.steps + 1)))
    }
    func begin(_ indices: [Int]) throws(PluginError) {
      let fresh = indices.prefix(count - begun)
      guard !fresh.isEmpty else { return }
      let numbers = (0..<fresh.count).map { first + UInt64(begun + $0) }
      begun += fresh.count
      try environments.reset(Array(fresh), episodes: numbers, into: observations)
      for (position, index) in fresh.enumerated() {
        var slot = Slot(
          index: index, episode: numbers[position],
          random: Philox(key: seed, stream: stream | numbers[position]),
          state: try state(observations[position], index))
        slot.action = choose(slot)
        slots.append(slot)
      }
      slots.sort { $0.index < $1.index }
    }

    try begin(Array(0..<environments.count))
    while !slots.isEmpty {
      let outcomes = try environments.step(
        slots.map(\.index), actions: slots.map(\.action), into: observations)
      var free: [Int] = []
      for position in slots.indices {
        var slot = slots[position]
        let next = try state(observations[position], slot.index)
        guard !outcomes[position].isVoid else {
          slot.state = next
          slot.result = TabularSimulation.Episode()
          slot.action = choose(slot)
          slots[position] = slot
          continue
        }
        slot.result.steps += 1
        let outcome = try limit.apply(
          to: outcomes[position], step: slot.result.steps, slot: slot.index)
        slot.result.total += outcome.reward
        learn(values, &slot, outcome, next, terms(slot.episode), choose)
        slots[position] = slot
        if outcome.ends {
          free.append(slot.index)
          guard ended(slot.result) else {
            throw PluginError(.cancelled, "training was cancelled")
          }
        }
      }
      slots.removeAll { free.contains($0.index) }
      try begin(free)
    }
  }

  private func learn(
    _ values: ActionValues, _ slot: inout Slot, _ outcome: StepOutcome, _ next: Int,
    _ terms: TabularSimulation.Terms?, _ choose: (Slot) -> Int
  ) {
    let value = values.row(slot.state) + slot.action
    slot.state = next
    guard let terms else {
      slot.action = outcome.ends ? 0 : choose(slot)
      return
    }
    let reward = terms.rewards.shaped(
      outcome.reward, terminated: outcome.terminated, truncated: outcome.truncated)
    guard !outcome.terminated else {
      value.pointee += terms.learningRate * (reward - value.pointee)
      return
    }
    switch terms.rule {
    case .qLearning:
      value.pointee +=
        terms.learningRate * (reward + terms.discount * values.maximum(next) - value.pointee)
      slot.action = choose(slot)
    case .sarsa:
      slot.action = choose(slot)
      value.pointee +=
        terms.learningRate
        * (reward + terms.discount * values.row(next)[slot.action] - value.pointee)
    }
  }

  private func state(_ observation: Float, _ slot: Int) throws(PluginError) -> Int {
    guard observation >= 0, observation < Float(stateCount) else {
      throw PluginError(
        .failedPrecondition,
        "environment \(slot): expected a state in 0..<\(stateCount), came \(observation)")
    }
    return Int(observation)
  }
}
