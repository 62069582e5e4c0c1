// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Learning by the table of a built-in environment: the inner loop of the tabular families.
///
/// Episode e draws its chance from the stream e of the seed, step t from block t, so that nothing
/// depends on what ran before but the values.
struct TabularSimulation {
  /// What holds for one episode.
  struct Terms {
    var rule: TabularRule
    var policy: Exploration.Policy
    /// ε or the temperature.
    var level: Double
    var learningRate: Double
    var discount: Double
    var rewards: RewardShaping
  }

  /// What an episode came to.
  struct Episode {
    /// The sum of the environment's rewards.
    var total = 0.0
    var steps = 0
  }

  let table: TransitionTable
  let maxSteps: Int

  /// Learns from one episode.
  func learn(_ values: ActionValues, _ terms: Terms, random: Philox) -> Episode {
    table.entries.withUnsafeBufferPointer { entries in
      table.offsets.withUnsafeBufferPointer { offsets in
        var episode = Episode()
        var state = table.start(random.words(ofBlock: 0).2.uniform)
        var words = random.words(ofBlock: 1)
        var action = values.choose(state, terms.policy, level: terms.level, words)
        while true {
          episode.steps += 1
          let entry = Self.draw(
            entries, offsets, state * values.actionCount + action, words.2.uniform)
          let next = Int(entry.state)
          let truncated = episode.steps >= maxSteps && !entry.terminates
          let reward = terms.rewards.shaped(
            entry.reward, terminated: entry.terminates, truncated: truncated)
          episode.total += entry.reward
          let value = values.row(state) + action
          if entry.terminates {
            value.pointee += terms.learningRate * (reward - value.pointee)
            return episode
          }
          words = random.words(ofBlock: UInt64(episode.steps + 1))
          switch terms.rule {
          case .qLearning:
            value.pointee +=
              terms.learningRate
              * (reward + terms.discount * values.maximum(next) - value.pointee)
            action = values.choose(next, terms.policy, level: terms.level, words)
          case .sarsa:
            action = values.choose(next, terms.policy, level: terms.level, words)
            value.pointee +=
              terms.learningRate
              * (reward + terms.discount * values.row(next)[action] - value.pointee)
          }
          if truncated { return episode }
          state = next
        }
      }
    }
  }

  /// Plays one episode by the best actions, learning nothing.
  func play(_ values: ActionValues, random: Philox) -> Episode {
    table.entries.withUnsafeBufferPointer { entries in
      table.offsets.withUnsafeBufferPointer { offsets in
        var episode = Episode()
        var state = table.start(random.words(ofBlock: 0).2.uniform)
        while episode.steps < maxSteps {
          episode.steps += 1
          let entry = Self.draw(
            entries, offsets, state * values.actionCount + values.greedy(state),
            random.words(ofBlock: UInt64(episode.steps)).2.uniform)
          episode.total += entry.reward
          if entry.terminates { break }
          state = Int(entry.state)
        }
        return episode
      }
    }
  }

  @inline(__always)
  private static func draw(
    _ entries: UnsafeBufferPointer<TransitionTable.Entry>, _ offsets: UnsafeBufferPointer<Int32>,
    _ pair: Int, _ uniform: Double
  ) -> TransitionTable.Entry {
    var index = Int(offsets[pair])
    let last = Int(offsets[pair + 1]) - 1
    while index < last, uniform >= entries[index].threshold { index += 1 }
    return entries[index]
  }
}
