// SPDX-License-Identifier: Apache-2.0
import Glibc
import Runtime

/// How a table of action values follows what is seen.
enum TabularRule: String, Sendable, Hashable {
  /// Q(s, a) += α (r + γ max Q(s', ·) - Q(s, a)): Watkins, "Learning from delayed rewards", 1989.
  case qLearning = "q-learning"
  /// Q(s, a) += α (r + γ Q(s', a') - Q(s, a)) with the action a' that is taken next: Rummery and
  /// Niranjan, "On-line Q-learning using connectionist systems", 1994.
  case sarsa
}

/// A table of action values Q(s, a), and the choices that an agent makes by it.
final class ActionValues {
  let stateCount: Int
  let actionCount: Int
  /// (states, actions), row by row.
  let values: UnsafeMutableBufferPointer<Double>
  private let weights: UnsafeMutableBufferPointer<Double>

  /// Four random words of one step.
  typealias Words = (UInt32, UInt32, UInt32, UInt32)

  init(stateCount: Int, actionCount: Int, initialValue: Double) {
    self.stateCount = stateCount
    self.actionCount = actionCount
    values = .allocate(capacity: stateCount * actionCount)
    values.initialize(repeating: initialValue)
    weights = .allocate(capacity: actionCount)
    weights.initialize(repeating: 0)
  }

  deinit {
    values.deallocate()
    weights.deallocate()
  }

  @inline(__always)
  func row(_ state: Int) -> UnsafeMutablePointer<Double> {
    // SAFETY: the table is not empty, and states come from environments that were checked.
    values.baseAddress.unsafelyUnwrapped + state * actionCount
  }

  /// The largest value in a state.
  @inline(__always)
  func maximum(_ state: Int) -> Double {
    let row = row(state)
    var best = row[0]
    for action in 1..<actionCount where row[action] > best { best = row[action] }
    return best
  }

  /// The first action of the largest value in a state.
  func greedy(_ state: Int) -> Int {
    let row = row(state)
    var choice = 0
    for action in 1..<actionCount where row[action] > row[choice] { choice = action }
    return choice
  }

  /// Chooses an action as the policy says.
  ///
  /// - Parameter level: ε or the temperature.
  @inline(__always)
  func choose(_ state: Int, _ policy: Exploration.Policy, level: Double, _ words: Words) -> Int {
    switch policy {
    case .epsilonGreedy:
      if words.0.uniform < level { return Self.scaled(words.1, actionCount) }
      return best(state, words.1)
    case .softmax: return softmax(state, level, words.0.uniform)
    }
  }

  /// One of the actions of the largest value: where nothing is known yet, any.
  @inline(__always)
  private func best(_ state: Int, _ word: UInt32) -> Int {
    let row = row(state)
    var (best, choice, ties) = (row[0], 0, 1)
    for action in 1..<actionCount {
      let value = row[action]
      if value > best {
        (best, choice, ties) = (value, action, 1)
      } else if value == best {
        ties += 1
      }
    }
    guard ties > 1 else { return choice }
    var left = Self.scaled(word, ties)
    for action in choice..<actionCount where row[action] == best {
      if left == 0 { return action }
      left -= 1
    }
    return choice
  }

  private func softmax(_ state: Int, _ temperature: Double, _ uniform: Double) -> Int {
    let row = row(state)
    // Less the largest, so that nothing overflows.
    let best = maximum(state)
    var sum = 0.0
    for action in 0..<actionCount {
      sum += exp((row[action] - best) / temperature)
      weights[action] = sum
    }
    let point = uniform * sum
    for action in 0..<actionCount where point < weights[action] { return action }
    return actionCount - 1
  }

  @inline(__always)
  private static func scaled(_ word: UInt32, _ count: Int) -> Int {
    Int(truncatingIfNeeded: (UInt64(word) &* UInt64(count)) >> 32)
  }
}
