// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ModelPlugins

/// What a learner does when its environments are replaced in the middle of their episodes.
@Suite struct RemoteEnvironmentsTests {
  private static let specification = EnvironmentSpecification(
    observation: .states(5), actionCount: 2, count: 2)

  @Test func anActionForAnEnvironmentThatIsGoneBecomesAReset() throws {
    let exchange = Corridors(count: 2, replacedAt: [3])
    let environments = RemoteEnvironments(Self.specification, seed: 7, exchange: exchange)
    let observations = UnsafeMutablePointer<Float>.allocate(capacity: 2)
    defer { observations.deallocate() }
    try environments.reset([0, 1], episodes: [0, 1], into: observations)
    let first = try environments.step([0, 1], actions: [1, 0], into: observations)
    #expect(first.map(\.isVoid) == [false, false])
    #expect(observations[0] == 1)
    // Only one of them is in an episode when they are replaced.
    let second = try environments.step([0], actions: [1], into: observations)
    #expect(second.map(\.isVoid) == [true])
    #expect(observations[0] == 0)
    let third = try environments.step([0, 1], actions: [1, 1], into: observations)
    #expect(third.map(\.isVoid) == [false, true])
    #expect(observations[0] == 1 && observations[1] == 0)
    // Seeds come once for each set of environments.
    #expect(exchange.seeds == [7, 8, 7, 8])
  }

  @Test(arguments: ["q-learning", "sarsa"]) func nothingIsLearnedFromWhatWasNotSeen(
    _ family: String
  ) throws {
    let rule = try #require(TabularRule(rawValue: family))
    func train(_ replacedAt: Set<Int>) throws -> (Corridors, TabularTrainer) {
      let exchange = Corridors(count: 2, replacedAt: replacedAt)
      let trainer = try TabularTrainer(
        rule,
        configuration: """
          {"environment": {"type": "remote", "count": 2, "actions": 2,
            "observation": {"type": "states", "count": 5}},
           "learning_rate": 1, "discount": 1, "epochs": 1, "episodes_per_epoch": 8,
           "exploration": {"initial": 1, "final": 1}}
          """, seed: 1)
      trainer.connect(exchange)
      try trainer.trainEpoch(
        1, observer: TrainingObserver(isCancelled: { false }, progress: { _ in true }))
      return (exchange, trainer)
    }
    let (exchange, trainer) = try train([4, 9, 10, 20])
    #expect(exchange.resetCount > 8)
    #expect(trainer.curve.points.count == 1)
    // A reset brings a reward here that a step would take for its own.
    #expect(trainer.values.values.allSatisfy { $0 <= 1 })
    #expect(trainer.values.row(3)[1] == 1)
  }
}
