// SPDX-License-Identifier: Apache-2.0
@testable import ModelPlugins

/// Corridors of five states with a reward at the right end, which are replaced at some exchanges.
final class Corridors: EnvironmentExchange {
  private var places: [Int]
  private let replacedAt: Set<Int>
  /// Whether a state is observed as five numbers, one of them 1, instead of as its number.
  private let isOneHot: Bool
  private var exchangeCount = 0
  private(set) var seeds: [UInt64] = []
  private(set) var resetCount = 0

  init(count: Int, replacedAt: Set<Int> = [], isOneHot: Bool = false) {
    self.isOneHot = isOneHot
    places = Array(repeating: -1, count: count)
    self.replacedAt = replacedAt
  }

  func perform(_ commands: [EnvironmentCommand]) throws(PluginError) -> [EnvironmentResult]? {
    exchangeCount += 1
    guard !replacedAt.contains(exchangeCount) else {
      places = places.map { _ in -1 }
      return nil
    }
    var results: [EnvironmentResult] = []
    for command in commands {
      let index = command.environment
      var reward = 0.0
      switch command.order {
      case .reset(let seed):
        if let seed { seeds.append(seed) }
        resetCount += 1
        reward = 100
        places[index] = 0
      case .action(let action):
        guard places[index] >= 0 else {
          throw PluginError(.internal, "environment \(index) makes a step before its reset")
        }
        places[index] = action == 1 ? places[index] + 1 : max(0, places[index] - 1)
        reward = places[index] == 4 ? 1 : 0
      }
      results.append(
        EnvironmentResult(
          observation: observe(places[index]), reward: reward, terminated: places[index] == 4,
          truncated: false))
    }
    return results
  }

  private func observe(_ place: Int) -> [Float] {
    isOneHot ? (0..<5).map { $0 == place ? 1 : 0 } : [Float(place)]
  }
}
