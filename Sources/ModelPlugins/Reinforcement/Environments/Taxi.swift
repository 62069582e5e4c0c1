// SPDX-License-Identifier: Apache-2.0

/// Gymnasium's Taxi-v4: fetch a passenger at one of four places and bring them to another.
///
/// Dietterich, "Hierarchical reinforcement learning with the MAXQ value function decomposition",
/// 2000; gymnasium 1.4, `envs/toy_text/taxi.py`.
struct Taxi: Sendable, Hashable {
  /// Whether rain makes a move go to either side of where it is meant to.
  var isRainy = false
  /// How likely a move goes where it is meant to, when rainy.
  var rainyProbability = 0.8

  static let actions: [TransitionTable.Action] = [
    .init(name: "south", symbol: "↓"), .init(name: "north", symbol: "↑"),
    .init(name: "east", symbol: "→"), .init(name: "west", symbol: "←"),
    .init(name: "pick up", symbol: "P"), .init(name: "drop off", symbol: "D"),
  ]

  private static let map = [
    Array("+---------+"), Array("|R: | : :G|"), Array("| : | : : |"), Array("| : : : : |"),
    Array("| | : | : |"), Array("|Y| : |B: |"), Array("+---------+"),
  ]
  private static let places: [Position] = [
    Position(row: 0, column: 0), Position(row: 0, column: 4), Position(row: 4, column: 0),
    Position(row: 4, column: 3),
  ]
  private static let names: [Character] = ["R", "G", "Y", "B"]
  private static let side = 5
  private static let inTaxi = 4

  struct Position: Hashable {
    var row: Int
    var column: Int
  }

  /// A state taken apart.
  private struct Situation {
    var taxi: Position
    /// One of the places, or in the taxi.
    var passenger: Int
    var destination: Int

    init(_ state: Int) {
      destination = state % 4
      passenger = state / 4 % 5
      taxi = Position(row: state / 100, column: state / 20 % 5)
    }

    var state: Int { ((taxi.row * 5 + taxi.column) * 5 + passenger) * 4 + destination }
  }

  var table: TransitionTable {
    let states = 0..<500
    let begins = states.map { state in
      let situation = Situation(state)
      return situation.passenger < Self.inTaxi && situation.passenger != situation.destination
    }
    let count = Double(begins.filter { $0 }.count)
    return TransitionTable(
      actions: Self.actions, pages: Self.pages, start: begins.map { $0 ? 1 / count : 0 }
    ) { state, action in
      outcomes(Situation(state), action)
    }
  }

  private func outcomes(_ now: Situation, _ action: Int) -> [TransitionTable.Outcome] {
    func result(
      _ probability: Double, _ next: Situation, _ reward: Double = -1, ends: Bool = false
    ) -> TransitionTable.Outcome {
      .init(probability: probability, state: next.state, reward: reward, terminates: ends)
    }
    func moved(to position: Position) -> Situation {
      var next = now
      next.taxi = position
      return next
    }
    switch action {
    case 0...3:
      guard isRainy else { return [result(1, moved(to: Self.move(now.taxi, action)))] }
      let lateral = (1 - rainyProbability) / 2
      // Where the way is barred there is no drift either.
      let (left, right) =
        Self.isFree(now.taxi, action)
        ? (Self.move(now.taxi, Self.left[action]), Self.move(now.taxi, Self.right[action]))
        : (now.taxi, now.taxi)
      return [
        result(rainyProbability, moved(to: Self.move(now.taxi, action))),
        result(lateral, moved(to: left)), result(lateral, moved(to: right)),
      ]
    case 4:
      guard now.passenger < Self.inTaxi, now.taxi == Self.places[now.passenger] else {
        return [result(1, now, -10)]
      }
      var next = now
      next.passenger = Self.inTaxi
      return [result(1, next)]
    default:
      guard now.passenger == Self.inTaxi, let place = Self.places.firstIndex(of: now.taxi) else {
        return [result(1, now, -10)]
      }
      var next = now
      next.passenger = place
      return place == now.destination ? [result(1, next, 20, ends: true)] : [result(1, next)]
    }
  }

  // South, north, east, west; the side to the left and to the right of each.
  private static let left = [2, 3, 1, 0]
  private static let right = [3, 2, 0, 1]

  private static func isFree(_ position: Position, _ action: Int) -> Bool {
    switch action {
    case 0: position.row < side - 1
    case 1: position.row > 0
    case 2: map[1 + position.row][2 * position.column + 2] == ":"
    default: map[1 + position.row][2 * position.column] == ":"
    }
  }

  private static func move(_ position: Position, _ action: Int) -> Position {
    guard isFree(position, action) else { return position }
    return switch action {
    case 0: Position(row: position.row + 1, column: position.column)
    case 1: Position(row: position.row - 1, column: position.column)
    case 2: Position(row: position.row, column: position.column + 1)
    default: Position(row: position.row, column: position.column - 1)
    }
  }

  /// One page for each place of the passenger and each destination.
  private static var pages: [GridPage] {
    (0...inTaxi).flatMap { passenger in
      (0..<4).compactMap { destination in
        guard passenger != destination else { return nil }
        let from = passenger == inTaxi ? "in the taxi" : "at \(names[passenger])"
        return GridPage(
          title: "passenger \(from), to \(names[destination])", rows: side, columns: side,
          states: (0..<25).map { ($0 * 5 + passenger) * 4 + destination }, marks: [:])
      }
    }
  }
}
