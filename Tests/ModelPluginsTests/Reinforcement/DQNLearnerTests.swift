// SPDX-License-Identifier: Apache-2.0
import Glibc
import Runtime
import Testing

@testable import ModelPlugins

/// What double learning, prioritised replay and duelling networks do, each by itself.
@Suite struct DQNLearnerTests {
  private static func configuration(_ settings: String) throws -> DQNConfiguration {
    try DQNConfiguration(
      parsing: """
        {"environment": {"type": "cart_pole"}, "network": {"hidden": [8]}, "loss": "mse",
         "max_gradient_norm": 0, "discount": 0.9, "learning_starts": 2, \(settings)}
        """)
  }

  private static func learner(_ settings: String) throws -> DQNLearner {
    let configuration = try configuration(settings)
    return try DQNLearner(
      configuration, seed: 5, environmentCount: 1, random: Philox(key: 1, stream: 2),
      workers: try WorkerPool(threadCount: 1), instructionSet: try .preferred())
  }

  private static func values(_ learner: DQNLearner, _ state: [Float]) throws -> [Float] {
    try state.withUnsafeBufferPointer { buffer in
      let row = try learner.values(buffer.baseAddress.unsafelyUnwrapped, rows: 1)
      return [row[0], row[1]]
    }
  }

  private static func remember(
    _ learner: DQNLearner, _ state: [Float], _ action: Int, _ reward: Double, _ next: [Float],
    terminated: Bool
  ) {
    state.withUnsafeBufferPointer { state in
      next.withUnsafeBufferPointer { next in
        learner.remember(
          state.baseAddress.unsafelyUnwrapped, action: action, reward: reward,
          next: next.baseAddress.unsafelyUnwrapped, terminated: terminated)
      }
    }
  }

  // MARK: Double

  @Test(arguments: [true, false]) func whoChoosesTheNextAction(_ isDouble: Bool) throws {
    let settings = #""batch_size": 1, "replay": {"capacity": 1}, "learning_rate": 0.01, "#
    let learner = try Self.learner(settings + #""double": \#(isDouble)"#)
    let (state, next): ([Float], [Float]) = ([0.1, -0.3, 0.2, 0.4], [-0.2, 0.5, 0.3, -0.1])
    // The target network keeps these values, for it is not updated.
    let theirs = try Self.values(learner, next)
    let worse = theirs[0] < theirs[1] ? 0 : 1
    Self.remember(learner, next, worse, 10, state, terminated: true)
    _ = try learner.learn(steps: 0..<200, progress: 0)
    let ours = try Self.values(learner, next)
    #expect(ours[worse] > ours[1 - worse])

    let before = try Self.values(learner, state)[0]
    Self.remember(learner, state, 0, 1, next, terminated: false)
    let loss = Float(try learner.learn(steps: 200..<201, progress: 0))
    let expected = 1 + 0.9 * theirs[isDouble ? worse : 1 - worse]
    #expect(abs(loss - (before - expected) * (before - expected)) < 1e-4 * max(1, loss))
  }

  // MARK: Prioritised replay

  /// Two transitions whose errors are as asked for; nothing moves, as the learning rate is tiny.
  private static func prioritised(
    _ settings: String, errors: [Float]
  ) throws -> DQNLearner {
    let learner = try learner(
      #""learning_rate": 1e-12, "replay": {"type": "prioritised", "capacity": 2, "# + settings)
    for (index, error) in errors.enumerated() {
      let state = [Float](repeating: 0.1 * Float(index + 1), count: 4)
      let value = try values(learner, state)[0]
      remember(learner, state, 0, Double(value - error), state, terminated: true)
    }
    return learner
  }

  @Test func largeErrorsAreDrawnMore() throws {
    let learner = try Self.prioritised(
      #""alpha": 0.6}, "batch_size": 1"#, errors: [4, 0.0001])
    var largeCount = 0
    // Both begin with the largest priority, so both are seen within a few steps.
    for step in 0..<UInt64(80) {
      _ = try learner.learn(steps: step..<step + 1, progress: 0)
      let error = learner.session.output(0).loadUnaligned(as: Float.self)
      if step >= 20, error > 1 { largeCount += 1 }
    }
    #expect(largeCount > 55)
    let priorities = try #require(learner.priorities)
    #expect(abs(priorities[0] - pow(4, 0.6)) < 1e-3)
    #expect(priorities[1] < 0.01)
  }

  @Test func whatIsDrawnMoreCountsLess() throws {
    // Errors of 3 and 1 with alpha 1: probabilities 3/4 and 1/4, weights 1/(2P) / max = 1/3 and 1.
    let learner = try Self.prioritised(
      #""alpha": 1, "initial_beta": 1}, "batch_size": 2"#, errors: [3, 1])
    // First both have the same priority, and one is drawn from each half.
    let first = Float(try learner.learn(steps: 0..<1, progress: 1))
    #expect(abs(first - (9 + 1) / 2) < 1e-3)
    var seen: Set<String> = []
    for step in UInt64(1)..<30 {
      let loss = Float(try learner.learn(steps: step..<step + 1, progress: 1))
      let errors = learner.session.output(0).bindMemory(to: Float.self)
      if errors[1] > 2 {
        seen.insert("both large")
        #expect(abs(loss - 9) < 1e-3)
      } else {
        seen.insert("one of each")
        #expect(abs(loss - (9.0 / 3 + 1) / 2) < 1e-3)
      }
    }
    #expect(seen.count == 2)
  }

  // MARK: All of them

  @Test(arguments: [
    #""double": false, "target_update_interval": 20"#,
    #""double": true, "target_update_interval": 20"#,
    #""network": {"hidden": [16], "duelling": true}, "target_update_interval": 20"#,
    #""replay": {"type": "prioritised", "capacity": 500}, "target_update_interval": 20"#,
    #""target_update_rate": 0.05, "target_update_interval": 1"#,
  ]) func everyKindLearnsTheWay(_ settings: String) throws {
    let trainer = try DQNTrainer(
      """
      {"environment": {"type": "remote", "count": 2, "actions": 2,
        "observation": {"type": "box", "shape": [5]}, "max_episode_steps": 200},
       "learning_rate": 0.01, "discount": 0.8, "batch_size": 16, "learning_starts": 64,
       "train_frequency": 2, "epochs": 1, "steps_per_epoch": 600,
       "exploration": {"initial": 1, "final": 0.2}, \(settings)}
      """, seed: 2, workers: try WorkerPool(threadCount: 1), instructionSet: try .preferred())
    trainer.connect(Corridors(count: 2, isOneHot: true))
    try trainer.trainEpoch(
      1, observer: TrainingObserver(isCancelled: { false }, progress: { _ in true }))
    for place in 0..<4 {
      let state = (0..<5).map { $0 == place ? Float(1) : 0 }
      let row = try Self.values(trainer.learner, state)
      // γ to the power of the steps that are left after this one.
      let expected = powf(0.8, Float(3 - place))
      #expect(row[1] > row[0], "\(place): \(row)")
      #expect(abs(row[1] - expected) < 0.25, "\(place): \(row)")
    }
  }
}
