// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import ModelPlugins

/// The built-in environments beside Gymnasium's (`scripts/make-reinforcement-goldens`).
@Suite struct EnvironmentGoldenTests {
  private struct Table: Decodable {
    var name: String
    var actions: Int
    var probabilities: [Double]
    var rewards: [Double]
    var start: [Double]
    var outcomes: [[Int]]
  }

  private struct Trajectory: Decodable {
    var actions: [Int]
    var terminated: [Int]
    var states: [String]
  }

  private static func golden<Line: Decodable>(_ name: String, _: Line.Type) throws -> [Line] {
    let url = Locations.root.appending(path: "Tests/Golden/reinforcement/\(name)")
    return try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")).map {
      try JSONDecoder().decode(Line.self, from: $0)
    }
  }

  private static let tables: [String: TransitionTable] = [
    "frozen_lake_4x4": FrozenLake().table,
    "frozen_lake_4x4_dry": FrozenLake(isSlippery: false).table,
    "frozen_lake_8x8": FrozenLake(map: FrozenLake.map8x8).table,
    "frozen_lake_8x8_dry": FrozenLake(map: FrozenLake.map8x8, isSlippery: false).table,
    "frozen_lake_rewards": FrozenLake(successRate: 0.75, rewards: [5, -2, -0.5]).table,
    "cliff_walking": CliffWalking().table,
    "cliff_walking_slippery": CliffWalking(isSlippery: true).table,
    "taxi": Taxi().table,
    "taxi_rainy": Taxi(isRainy: true, rainyProbability: 0.7).table,
  ]

  @Test func everyTransitionIsGymnasiums() throws {
    let goldens = try Self.golden("transition-tables.jsonl", Table.self)
    #expect(Set(goldens.map(\.name)) == Set(Self.tables.keys))
    for golden in goldens {
      let table = try #require(Self.tables[golden.name])
      #expect(table.actionCount == golden.actions)
      #expect(table.stateCount == golden.start.count)
      var differences = 0
      for pair in golden.outcomes.indices {
        let row = golden.outcomes[pair]
        let expected = stride(from: 0, to: row.count, by: 4).map { start in
          TransitionTable.Outcome(
            probability: golden.probabilities[row[start]], state: row[start + 1],
            reward: golden.rewards[row[start + 2]], terminates: row[start + 3] == 1)
        }
        let ours = table.outcomes(pair / golden.actions, pair % golden.actions)
        let isEqual =
          ours.count == expected.count
          && zip(ours, expected).allSatisfy { ours, theirs in
            ours.state == theirs.state && ours.reward == theirs.reward
              && ours.terminates == theirs.terminates
              && abs(ours.probability - theirs.probability) < 1e-15
          }
        if !isEqual { differences += 1 }
      }
      #expect(differences == 0, "\(golden.name)")
      var before = 0.0
      var start = Array(repeating: 0.0, count: table.stateCount)
      for (state, threshold) in table.starts {
        start[state] = threshold - before
        before = threshold
      }
      #expect(
        zip(start, golden.start).allSatisfy { abs($0 - $1) < 1e-12 }, "\(golden.name)")
    }
  }

  @Test func cartPoleMovesAsGymnasiumsToTheLastBit() throws {
    let trajectories = try Self.golden("cart-pole.jsonl", Trajectory.self)
    #expect(trajectories.map(\.actions.count).max() ?? 0 > 50)
    for trajectory in trajectories {
      let states = try trajectory.states.map(Self.state)
      var cart = states[0]
      for (step, action) in trajectory.actions.enumerated() {
        cart.push(right: action == 1)
        #expect(cart == states[step + 1], "step \(step)")
        #expect(cart.hasFailed == (trajectory.terminated[step] == 1))
      }
    }
  }

  /// Four doubles, little-endian, in hexadecimal.
  private static func state(_ text: String) throws -> CartPole {
    let digits = Array(text)
    let numbers = try (0..<4).map { index -> Double in
      var bits: UInt64 = 0
      for byte in (0..<8).reversed() {
        let start = index * 16 + byte * 2
        let byte = try #require(UInt8(String(digits[start...start + 1]), radix: 16))
        bits = bits << 8 | UInt64(byte)
      }
      return Double(bitPattern: bits)
    }
    return CartPole(
      position: numbers[0], velocity: numbers[1], angle: numbers[2], angularVelocity: numbers[3])
  }

  @Test func aStartIsDrawnByItsProbability() {
    let table = Taxi().table
    #expect(table.start(0) == table.starts[0].state)
    #expect(table.start(0.999_999_999) == table.starts[table.starts.count - 1].state)
    // 300 starts, equally likely.
    #expect(table.start(0.5 + 1e-9) == table.starts[150].state)
  }
}
