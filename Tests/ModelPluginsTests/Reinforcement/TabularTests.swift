// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// Q-learning and SARSA: published returns, bits, files, and what they refuse.
@Suite struct TabularTests {
  private static func plugin(_ name: String, threads: Int = 1) throws -> ModelPlugin {
    let registry = PluginRegistry(workers: try WorkerPool(threadCount: threads)) { _, _ in }
    try registry.registerBuiltIns()
    return try #require(registry.plugin(named: name))
  }

  private static func train(
    _ family: String, _ configuration: String, seed: UInt64 = 1
  ) throws -> (trainer: PluginTrainer, returns: [Double]) {
    let trainer = try plugin(family).makeTrainer(
      configuration: configuration, seed: seed, dataset: .none)
    var returns: [Double] = []
    for epoch in 1...trainer.epochs {
      _ = try trainer.trainEpoch(epoch) { _ in true }
      let metrics = try trainer.evaluate(split: "test")
      returns.append(try #require(metrics.first { $0.name == "mean_return" }).value)
    }
    return (trainer, returns)
  }

  private static func artifacts(_ trainer: PluginTrainer) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    try trainer.export { files[$0, default: []] += Array($1) }
    return files
  }

  private static func checkpoint(_ trainer: PluginTrainer) throws -> [Artifact] {
    var files: [String: [UInt8]] = [:]
    try trainer.checkpoint { files[$0, default: []] += Array($1) }
    return files.map { Artifact(name: $0.key, copying: $0.value) }
  }

  private static let cliff = """
    {"environment": {"type": "cliff_walking"}, "learning_rate": 0.5, "discount": 1,
     "exploration": {"initial": 0.02, "final": 0.0001, "fraction": 0.3},
     "epochs": 5, "episodes_per_epoch": 200, "evaluation_episodes": 1}
    """

  // MARK: Published returns

  @Test(arguments: ["q-learning", "sarsa"]) func cliffWalkingsShortestWay(_ family: String) throws {
    // Sutton and Barto, example 6.6: 13 steps along the edge. Values begin above every return, so
    // the best action explores too; with more, SARSA learns to keep away from the edge.
    let greedy = Self.cliff.replacingOccurrences(
      of: #""initial": 0.02, "final": 0.0001"#, with: #""initial": 0, "final": 0"#)
    #expect(greedy != Self.cliff)
    #expect(try Self.train(family, greedy).returns.last == -13)
  }

  @Test(arguments: ["q-learning", "sarsa"]) func frozenLakeIsCrossed(_ family: String) throws {
    let run = try Self.train(
      family,
      """
      {"environment": {"type": "frozen_lake", "map": "8x8", "slippery": false},
       "learning_rate": 0.5, "exploration": {"initial": 1, "final": 0.02, "fraction": 0.8},
       "epochs": 4, "episodes_per_epoch": 500, "evaluation_episodes": 1}
      """)
    #expect(run.returns.last == 1)
  }

  @Test(arguments: ["q-learning", "sarsa"]) func taxiPassesWhatCountsAsSolved(
    _ family: String
  ) throws {
    let run = try Self.train(
      family,
      """
      {"environment": {"type": "taxi"}, "learning_rate": 0.7,
       "exploration": {"initial": 0.5, "final": 0, "fraction": 0.8},
       "epochs": 10, "episodes_per_epoch": 500, "evaluation_episodes": 300}
      """)
    let last = try #require(run.returns.last)
    #expect(last >= 7.5)
  }

  @Test func softmaxExplorationLearnsToo() throws {
    let run = try Self.train(
      "q-learning",
      """
      {"environment": {"type": "cliff_walking"}, "learning_rate": 0.5, "discount": 1,
       "exploration": {"type": "softmax", "schedule": "exponential", "initial": 5, "final": 0.05},
       "epochs": 3, "episodes_per_epoch": 200, "evaluation_episodes": 1}
      """)
    #expect(run.returns.last == -13)
  }

  // MARK: Bits

  @Test func sameSeedSameBits() throws {
    let first = try Self.artifacts(Self.train("q-learning", Self.cliff).trainer)
    let second = try Self.artifacts(Self.train("q-learning", Self.cliff).trainer)
    let other = try Self.artifacts(Self.train("q-learning", Self.cliff, seed: 2).trainer)
    #expect(first == second)
    #expect(first["weights.safetensors"] != other["weights.safetensors"])
  }

  @Test(arguments: ["q-learning", "sarsa"]) func aResumedRunGivesTheSameBitsAtAnyNumberOfThreads(
    _ family: String
  ) throws {
    func make(threads: Int) throws -> PluginTrainer {
      try Self.plugin(family, threads: threads)
        .makeTrainer(configuration: Self.cliff, seed: 7, dataset: .none)
    }
    let straight = try make(threads: 1)
    var resumed = try make(threads: 2)
    for epoch in 1...straight.epochs {
      _ = try straight.trainEpoch(epoch) { _ in true }
      _ = try resumed.trainEpoch(epoch) { _ in true }
      let state = try Self.checkpoint(resumed)
      resumed = try make(threads: 2)
      try resumed.restore(from: state)
      #expect(resumed.completedEpochs == epoch)
    }
    #expect(try Self.artifacts(straight) == Self.artifacts(resumed))
  }

  @Test func aCheckpointOfAnotherRunIsRefused() throws {
    let state = try Self.checkpoint(Self.train("q-learning", Self.cliff).trainer)
    let plugin = try Self.plugin("q-learning")
    let otherSeed = try plugin.makeTrainer(configuration: Self.cliff, seed: 2, dataset: .none)
    #expect(throws: PluginError.self) { try otherSeed.restore(from: state) }
    let shorter = Self.cliff.replacingOccurrences(of: "0.0001", with: "0.0002")
    let otherRun = try plugin.makeTrainer(configuration: shorter, seed: 1, dataset: .none)
    #expect(throws: PluginError.self) { try otherRun.restore(from: state) }
  }

  // MARK: Files

  @Test func theModelTakesTheGreedyAction() throws {
    let files = try Self.artifacts(Self.train("q-learning", Self.cliff).trainer)
    let model = try Self.plugin("q-learning").makeModel(
      artifacts: files.map { Artifact(name: $0.key, copying: $0.value) }, configuration: Self.cliff)
    #expect(model.outputs.map(\.name) == ["action", "q_values"])
    let execution = model.makeExecution()
    // The way: up at the start, right along the edge, down at its end.
    let states: [Int64] = [36, 24, 30, 35]
    execution.batchSize = states.count
    try states.withUnsafeBytes { bytes in
      execution.setInput(0, datatype: .int64, shape: [4, 1], bytes: bytes, owner: nil)
      try model.execute(execution)
    }
    #expect(Array(execution.output(0).bytes.bindMemory(to: Int64.self)) == [0, 1, 1, 2])
    #expect(execution.output(1).shape == [4, 4])
    execution.reset()
    execution.batchSize = 1
    let outside: [Int64] = [48]
    outside.withUnsafeBytes { bytes in
      execution.setInput(0, datatype: .int64, shape: [1, 1], bytes: bytes, owner: nil)
      #expect { try model.execute(execution) } throws: {
        ($0 as? PluginError)?.violations.first?.field == "inputs[0].contents"
      }
    }
  }

  @Test func theReportShowsThePolicyAndTheCurve() throws {
    let files = try Self.artifacts(Self.train("q-learning", Self.cliff).trainer)
    let written = try #require(files["report.txt"])
    let text = String(decoding: written, as: UTF8.self)
    #expect(text.contains("→ → → → → → → → → → → ↓\n↑ C C C C C C C C C C G"), "\(text)")
    let json = try #require(files["report.json"])
    let object = try JSONSerialization.jsonObject(with: Data(json))
    let report = try #require(object as? [String: Any])
    #expect(((report["q_values"] as? [[String: Any]])?.count ?? 0) > 30)
    #expect((report["learning_curve"] as? [Any])?.count == 5)
    let curve = try #require(files["learning-curve.svg"])
    let drawing = String(decoding: curve, as: UTF8.self)
    #expect(drawing.hasPrefix("<svg ") && drawing.contains("<polyline"))
  }

  // MARK: Refusals

  @Test(arguments: [
    ("{}", "configuration.environment"),
    (#"{"environment": {"type": "cart_pole"}}"#, "configuration.environment.type"),
    (#"{"environment": {"type": "taxi", "map": "8x8"}}"#, "configuration.environment.map"),
    (
      #"{"environment": {"type": "frozen_lake", "map": ["SF", "G"]}}"#,
      "configuration.environment.map"
    ),
    (
      #"{"environment": {"type": "frozen_lake", "reward_schedule": [1, "x", 0]}}"#,
      "configuration.environment.reward_schedule"
    ),
    (
      #"{"environment": {"type": "taxi", "max_episode_steps": 0}}"#,
      "configuration.environment.max_episode_steps"
    ),
    (#"{"environment": {"type": "taxi"}, "learning_rate": 0}"#, "configuration.learning_rate"),
    (
      #"{"environment": {"type": "taxi"}, "exploration": {"type": "softmax", "final": 0}}"#,
      "configuration.exploration.final"
    ),
    (#"{"environment": {"type": "taxi"}, "rewards": {"bonus": 1}}"#, "configuration.rewards.bonus"),
    (#"{"environment": {"type": "taxi"}, "epochs": 0}"#, "configuration.epochs"),
    (
      #"{"environment": {"type": "remote", "actions": 2, "observation": {"type": "box", "shape": [4]}}}"#,
      "configuration.environment.observation.type"
    ),
    (
      #"{"environment": {"type": "remote", "actions": 1, "observation": {"type": "states", "count": 4}}}"#,
      "configuration.environment.actions"
    ),
  ]) func refuses(_ configuration: String, _ field: String) throws {
    let plugin = try Self.plugin("q-learning")
    #expect {
      try plugin.validate(configuration: configuration, dataset: nil)
    } throws: { error in
      (error as? PluginError)?.violations.contains { $0.field == field } == true
    }
  }

  @Test func aDataSetIsNotWanted() throws {
    let plugin = try Self.plugin("q-learning")
    #expect(!plugin.needsDataSet)
    let box = ByteBox([UInt8](repeating: 0, count: 4))
    let data = try DataSetView(
      tensors: [
        (TensorSpecification(name: "train/x", datatype: .fp32, shape: [1]), box.bytes)
      ], owner: box)
    #expect(throws: PluginError.self) {
      try plugin.makeTrainer(configuration: Self.cliff, seed: 1, dataset: data)
    }
    let network = try Self.plugin("neural-network")
    #expect(throws: PluginError.self) {
      try network.makeTrainer(
        configuration: #"{"layers": [{"type": "flatten"}]}"#, seed: 1, dataset: .none)
    }
  }

  @Test func shapedRewardsChangeWhatIsLearnedAndNotWhatIsReported() throws {
    func run(_ rewards: String) throws -> PluginTrainer {
      try Self.train(
        "q-learning",
        """
        {"environment": {"type": "frozen_lake", "slippery": false}, "epochs": 2,
         "learning_rate": 0.5, "episodes_per_epoch": 300, "evaluation_episodes": 1, "rewards": \(rewards)}
        """
      ).trainer
    }
    let plain = try Self.artifacts(run("{}"))
    let shaped = try Self.artifacts(run(#"{"step_penalty": 0.01, "failure_penalty": 1}"#))
    #expect(plain["weights.safetensors"] != shaped["weights.safetensors"])
    let reported = try run(#"{"step_penalty": 0.01}"#).evaluate(split: "test").first?.value
    #expect(reported == 0 || reported == 1)
  }
}
