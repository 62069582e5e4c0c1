// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Some CartPoles; how an episode begins is a function of (seed, number of the episode).
final class CartPoleEnvironments: VectorEnvironment {
  let count: Int
  let elementCount = CartPole.observationCount
  /// Where the carts are; part of a checkpoint.
  private(set) var states: [CartPole]
  private let seed: UInt64
  private let stream: UInt64

  /// - Parameter stream: sets apart what begins with one seed: training and evaluation.
  init(count: Int, seed: UInt64, stream: UInt64) {
    self.count = count
    self.seed = seed
    self.stream = stream
    states = Array(
      repeating: CartPole(position: 0, velocity: 0, angle: 0, angularVelocity: 0), count: count)
  }

  /// Puts the carts where they were.
  ///
  /// - Precondition: as many as there are.
  func restore(_ states: [CartPole]) {
    precondition(states.count == count)
    self.states = states
  }

  func reset(
    _ slots: [Int], episodes: [UInt64], into observations: UnsafeMutablePointer<Float>
  ) throws(PluginError) {
    for (index, slot) in slots.enumerated() {
      let random = Philox(key: seed, stream: stream)
      let (a, b, c, d) = random.words(ofBlock: episodes[index])
      states[slot] = CartPole(
        start: (a.uniform, b.uniform, c.uniform, d.uniform))
      states[slot].observe(into: observations + index * elementCount)
    }
  }

  func step(
    _ slots: [Int], actions: [Int], into observations: UnsafeMutablePointer<Float>
  ) throws(PluginError) -> [StepOutcome] {
    var outcomes: [StepOutcome] = []
    outcomes.reserveCapacity(slots.count)
    for (index, slot) in slots.enumerated() {
      states[slot].push(right: actions[index] == 1)
      states[slot].observe(into: observations + index * elementCount)
      outcomes.append(
        StepOutcome(reward: 1, terminated: states[slot].hasFailed, truncated: false))
    }
    return outcomes
  }
}

extension UInt32 {
  /// The word as a number in 0 ..< 1.
  var uniform: Double { Double(self) * 0x1p-32 }
}
