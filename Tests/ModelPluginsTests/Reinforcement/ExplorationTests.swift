// SPDX-License-Identifier: Apache-2.0
import Glibc
import Runtime
import Testing

@testable import ModelPlugins

/// How often what does not look best is tried, and what rewards are learned from.
@Suite struct ExplorationTests {
  private static func configuration(_ settings: String) throws -> TabularConfiguration {
    try TabularConfiguration(parsing: #"{"environment": {"type": "taxi"}, \#(settings)}"#)
  }

  private static func level(_ schedule: String, _ progress: Double) throws -> Double {
    try configuration(
      #""exploration": {"schedule": "\#(schedule)", "initial": 0.8, "final": 0.2, "fraction": 0.5}"#
    ).exploration.value(at: progress)
  }

  @Test(arguments: [
    ("constant", [0.8, 0.8, 0.8, 0.8]), ("linear", [0.8, 0.5, 0.2, 0.2]),
    ("exponential", [0.8, 0.4, 0.2, 0.2]),
  ]) func schedules(_ schedule: String, _ expected: [Double]) throws {
    for (progress, value) in zip([0, 0.25, 0.5, 1], expected) {
      #expect(try abs(Self.level(schedule, progress) - value) < 1e-12, "\(progress)")
    }
  }

  /// How often each action of a state with the values 0, 1 and 2 is chosen.
  private static func frequencies(_ policy: Exploration.Policy, _ level: Double) -> [Double] {
    let values = ActionValues(stateCount: 1, actionCount: 3, initialValue: 0)
    for action in 0..<3 { values.row(0)[action] = Double(action) }
    let random = Philox(key: 3, stream: 1)
    var counts = [0.0, 0, 0]
    let draws = 20_000
    for draw in 0..<draws {
      counts[
        values.choose(0, policy, level: level, random.words(ofBlock: UInt64(draw)))] += 1
    }
    return counts.map { $0 / Double(draws) }
  }

  @Test func epsilonGreedyTakesAnyActionWithProbabilityEpsilon() {
    // Four standard deviations of a frequency in 20,000 draws are 0.014 at most.
    for (frequency, expected) in zip(Self.frequencies(.epsilonGreedy, 0.3), [0.1, 0.1, 0.8]) {
      #expect(abs(frequency - expected) < 0.014)
    }
    #expect(Self.frequencies(.epsilonGreedy, 0) == [0, 0, 1])
  }

  @Test(arguments: [0.5, 1, 4]) func softmaxIsInProportion(_ temperature: Double) {
    let weights = (0..<3).map { exp(Double($0) / temperature) }
    let sum = weights.reduce(0, +)
    for (frequency, weight) in zip(Self.frequencies(.softmax, temperature), weights) {
      #expect(abs(frequency - weight / sum) < 0.014)
    }
  }

  @Test func equallyGoodActionsAreTakenEquallyOften() {
    let values = ActionValues(stateCount: 1, actionCount: 4, initialValue: 1)
    values.row(0)[2] = 0
    let random = Philox(key: 3, stream: 2)
    var counts = [0, 0, 0, 0]
    for draw in 0..<6000 {
      counts[
        values.choose(0, .epsilonGreedy, level: 0, random.words(ofBlock: UInt64(draw)))] += 1
    }
    #expect(counts[2] == 0)
    #expect(counts.enumerated().allSatisfy { $0.offset == 2 || abs($0.element - 2000) < 150 })
  }

  @Test func rewardsAreScaledAndPenaltiesTakenAway() throws {
    let rewards = try Self.configuration(
      """
      "rewards": {"scale": 2, "step_penalty": 0.5, "failure_penalty": 3, "truncation_penalty": 1}
      """
    ).rewards
    #expect(rewards.shaped(4, terminated: false, truncated: false) == 7.5)
    #expect(rewards.shaped(4, terminated: true, truncated: false) == 7.5)
    #expect(rewards.shaped(0, terminated: true, truncated: false) == -3.5)
    #expect(rewards.shaped(0, terminated: false, truncated: true) == -1.5)
  }
}
