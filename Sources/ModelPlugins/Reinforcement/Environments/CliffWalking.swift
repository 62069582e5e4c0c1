// SPDX-License-Identifier: Apache-2.0

/// Gymnasium's CliffWalking-v1: along a cliff, which throws one back to the start, to the goal.
///
/// Sutton and Barto, "Reinforcement Learning: An Introduction", 2nd edition, example 6.6; gymnasium
/// 1.4, `envs/toy_text/cliffwalking.py`.
struct CliffWalking: Sendable, Hashable {
  /// Whether a step may go to either side of where it is meant to.
  var isSlippery = false

  private static let rows = 4
  private static let columns = 12
  private static let start = 36
  private static let goal = 47
  private static let cliff = 37..<47

  static let actions: [TransitionTable.Action] = [
    .init(name: "up", symbol: "↑"), .init(name: "right", symbol: "→"),
    .init(name: "down", symbol: "↓"), .init(name: "left", symbol: "←"),
  ]

  var table: TransitionTable {
    let states = Array(0..<Self.rows * Self.columns)
    var marks = Dictionary(uniqueKeysWithValues: Self.cliff.map { ($0, Character("C")) })
    marks[Self.goal] = "G"
    return TransitionTable(
      actions: Self.actions,
      pages: [
        GridPage(
          title: "", rows: Self.rows, columns: Self.columns, states: states, marks: marks)
      ],
      start: states.map { $0 == Self.start ? 1 : 0 }
    ) { state, action in
      let moves = isSlippery ? [(action + 3) % 4, action, (action + 1) % 4] : [action]
      return moves.map { move in
        var (row, column) = (state / Self.columns, state % Self.columns)
        switch move {
        case 0: row = max(row - 1, 0)
        case 1: column = min(column + 1, Self.columns - 1)
        case 2: row = min(row + 1, Self.rows - 1)
        default: column = max(column - 1, 0)
        }
        let reached = row * Self.columns + column
        let probability = 1 / Double(moves.count)
        return Self.cliff.contains(reached)
          ? .init(probability: probability, state: Self.start, reward: -100, terminates: false)
          : .init(
            probability: probability, state: reached, reward: -1, terminates: reached == Self.goal)
      }
    }
  }
}
