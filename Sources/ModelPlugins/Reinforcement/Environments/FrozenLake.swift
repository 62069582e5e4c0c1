// SPDX-License-Identifier: Apache-2.0

/// Gymnasium's FrozenLake-v1: cross a frozen lake from S to G without falling into a hole H.
///
/// Source: gymnasium 1.4, `envs/toy_text/frozen_lake.py`.
struct FrozenLake: Sendable, Hashable {
  /// Rows of S, F, H and G.
  var map = Self.map4x4
  /// Whether a step may go to either side of where it is meant to.
  var isSlippery = true
  /// How likely a step goes where it is meant to, when slippery.
  var successRate = 1.0 / 3.0
  /// The rewards for reaching the goal, a hole and anything else.
  var rewards = [1.0, 0.0, 0.0]

  static let map4x4 = ["SFFF", "FHFH", "FFFH", "HFFG"]
  static let map8x8 = [
    "SFFFFFFF", "FFFFFFFF", "FFFHFFFF", "FFFFFHFF", "FFFHFFFF", "FHHFFFHF", "FHFFHFHF", "FFFHFFFG",
  ]

  static let actions: [TransitionTable.Action] = [
    .init(name: "left", symbol: "←"), .init(name: "down", symbol: "↓"),
    .init(name: "right", symbol: "→"), .init(name: "up", symbol: "↑"),
  ]

  /// - Precondition: the map is a rectangle of S, F, H and G with an S.
  var table: TransitionTable {
    let cells = map.map { Array($0) }
    let (rows, columns) = (cells.count, cells[0].count)
    func cell(_ state: Int) -> Character { cells[state / columns][state % columns] }
    func ends(_ cell: Character) -> Bool { cell == "G" || cell == "H" }

    func move(_ state: Int, _ action: Int, _ probability: Double) -> TransitionTable.Outcome {
      var (row, column) = (state / columns, state % columns)
      switch action {
      case 0: column = max(column - 1, 0)
      case 1: row = min(row + 1, rows - 1)
      case 2: column = min(column + 1, columns - 1)
      default: row = max(row - 1, 0)
      }
      let letter = cells[row][column]
      let reward = letter == "G" ? rewards[0] : letter == "H" ? rewards[1] : rewards[2]
      return .init(
        probability: probability, state: row * columns + column, reward: reward,
        terminates: ends(letter))
    }

    let states = 0..<rows * columns
    let starts = states.filter { cell($0) == "S" }.count
    let marks = states.filter { ends(cell($0)) }.map { ($0, cell($0)) }
    return TransitionTable(
      actions: Self.actions,
      pages: [
        GridPage(
          title: "", rows: rows, columns: columns, states: Array(states),
          marks: Dictionary(uniqueKeysWithValues: marks))
      ],
      start: states.map { cell($0) == "S" ? 1 / Double(starts) : 0 }
    ) { state, action in
      if ends(cell(state)) {
        return [.init(probability: 1, state: state, reward: 0, terminates: true)]
      }
      guard isSlippery else { return [move(state, action, 1)] }
      let failRate = (1 - successRate) / 2
      return [(action + 3) % 4, action, (action + 1) % 4].map {
        move(state, $0, $0 == action ? successRate : failRate)
      }
    }
  }
}
