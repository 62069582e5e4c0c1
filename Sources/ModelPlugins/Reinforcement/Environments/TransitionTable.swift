// SPDX-License-Identifier: Apache-2.0

/// A finite environment as a table: where each action leads from each state, and with what reward.
///
/// The form of Gymnasium's `env.unwrapped.P`, whose order of outcomes it keeps, so that the two can
/// be compared entry by entry.
struct TransitionTable: Sendable {
  /// One of the outcomes of an action in a state.
  struct Outcome: Sendable, Hashable {
    /// How likely it is.
    var probability: Double
    /// Where it leads.
    var state: Int
    /// What it brings.
    var reward: Double
    /// Whether the episode ends with it.
    var terminates: Bool
  }

  /// An outcome as a simulation reads it.
  struct Entry: Sendable {
    /// The probability of this outcome and those before it.
    var threshold: Double
    var reward: Double
    var state: Int32
    var terminates: Bool
  }

  let stateCount: Int
  let actionCount: Int
  /// What people call the actions.
  let actions: [Action]
  /// How the states lie on paper.
  let pages: [GridPage]
  /// All outcomes, by state, then action.
  let entries: [Entry]
  /// Where the outcomes of (state, action) begin in `entries`; one more than there are pairs.
  let offsets: [Int32]
  /// The states in which episodes begin, with the probability of each and those before it.
  let starts: [(state: Int, threshold: Double)]

  /// An action's name and the sign that stands for it in a grid.
  struct Action: Sendable, Hashable {
    var name: String
    var symbol: Character
  }

  /// Makes a table.
  ///
  /// - Parameters:
  ///   - start: how likely an episode begins in each state; adds up to 1.
  ///   - outcomes: those of an action in a state, whose probabilities add up to 1.
  init(
    actions: [Action], pages: [GridPage], start: [Double],
    outcomes: (_ state: Int, _ action: Int) -> [Outcome]
  ) {
    stateCount = start.count
    actionCount = actions.count
    self.actions = actions
    self.pages = pages
    var entries: [Entry] = []
    var offsets: [Int32] = [0]
    for state in 0..<start.count {
      for action in 0..<actions.count {
        var threshold = 0.0
        for outcome in outcomes(state, action) {
          threshold += outcome.probability
          entries.append(
            Entry(
              threshold: threshold, reward: outcome.reward, state: Int32(outcome.state),
              terminates: outcome.terminates))
        }
        offsets.append(Int32(entries.count))
      }
    }
    self.entries = entries
    self.offsets = offsets
    var threshold = 0.0
    starts = start.enumerated().compactMap { state, probability in
      guard probability > 0 else { return nil }
      threshold += probability
      return (state, threshold)
    }
  }

  /// The state in which an episode begins, for a number in 0 ..< 1.
  func start(_ uniform: Double) -> Int {
    (starts.first { uniform < $0.threshold } ?? starts[starts.count - 1]).state
  }

  /// The outcomes of an action in a state.
  func outcomes(_ state: Int, _ action: Int) -> [Outcome] {
    let pair = state * actionCount + action
    var before = 0.0
    return entries[Int(offsets[pair])..<Int(offsets[pair + 1])].map { entry in
      defer { before = entry.threshold }
      return Outcome(
        probability: entry.threshold - before, state: Int(entry.state), reward: entry.reward,
        terminates: entry.terminates)
    }
  }
}

/// A grid on which states lie, for the drawing of a policy.
struct GridPage: Sendable, Hashable {
  /// What all of its cells have in common; empty for the only page.
  var title: String
  var rows: Int
  var columns: Int
  /// The state of each cell, row by row.
  var states: [Int]
  /// What stands in a cell instead of an action: the goal, a hole.
  var marks: [Int: Character]
}
