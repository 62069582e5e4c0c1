// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// DQN: bits, files, what it refuses, and that it learns.
@Suite struct DQNTests {
  private static func plugin(threads: Int = 1) throws -> ModelPlugin {
    let registry = PluginRegistry(workers: try WorkerPool(threadCount: threads)) { _, _ in }
    try registry.registerBuiltIns()
    return try #require(registry.plugin(named: "dqn"))
  }

  /// Small enough for a debug build: every part of the learner, and a few hundred steps.
  private static let small = """
    {"environment": {"type": "cart_pole", "count": 2},
     "network": {"hidden": [16, 16], "duelling": true}, "double": true,
     "replay": {"type": "prioritised", "capacity": 200}, "batch_size": 16, "learning_starts": 32,
     "train_frequency": 4, "target_update_interval": 50, "epochs": 3, "steps_per_epoch": 150,
     "evaluation_episodes": 3}
    """

  private static func make(
    _ configuration: String = small, threads: Int = 1, seed: UInt64 = 3
  ) throws -> PluginTrainer {
    try plugin(threads: threads).makeTrainer(
      configuration: configuration, seed: seed, dataset: .none)
  }

  private static func artifacts(_ trainer: PluginTrainer) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    try trainer.export { files[$0, default: []] += Array($1) }
    return files
  }

  private static func trained(_ trainer: PluginTrainer) throws -> [String: [UInt8]] {
    while trainer.completedEpochs < trainer.epochs {
      _ = try trainer.trainEpoch(trainer.completedEpochs + 1) { _ in true }
    }
    return try artifacts(trainer)
  }

  @Test func aResumedRunGivesTheSameBitsAtAnyNumberOfThreads() throws {
    let straight = try Self.trained(Self.make())
    var resumed = try Self.make(threads: 2)
    for epoch in 1...resumed.epochs {
      _ = try resumed.trainEpoch(epoch) { _ in true }
      var state: [String: [UInt8]] = [:]
      try resumed.checkpoint { state[$0, default: []] += Array($1) }
      resumed = try Self.make(threads: 2)
      try resumed.restore(from: state.map { Artifact(name: $0.key, copying: $0.value) })
    }
    #expect(try Self.artifacts(resumed) == straight)
    #expect(try Self.trained(Self.make(seed: 4)) != straight)
  }

  @Test(arguments: [
    #""double": false, "loss": "mse", "max_gradient_norm": 0"#,
    #""target_update_rate": 0.01, "keep": "last", "evaluation_episodes": 0"#,
  ]) func otherSettingsTrainToo(_ settings: String) throws {
    let files = try Self.trained(
      Self.make(
        """
        {"environment": {"type": "cart_pole"}, "network": {"hidden": [8]}, "batch_size": 8,
         "learning_starts": 16, "epochs": 1, "steps_per_epoch": 100, \(settings)}
        """))
    #expect(files["weights.safetensors"]?.isEmpty == false)
  }

  @Test func theModelTakesTheBestAction() throws {
    let files = try Self.trained(Self.make())
    let model = try Self.plugin().makeModel(
      artifacts: files.map { Artifact(name: $0.key, copying: $0.value) },
      configuration: Self.small)
    #expect(model.inputs.map(\.shape) == [[4]])
    let execution = model.makeExecution()
    let observations: [Float] = [0, 0, 0.1, 0.5, 0, 0, -0.1, -0.5]
    execution.batchSize = 2
    try observations.withUnsafeBytes { bytes in
      execution.setInput(0, datatype: .fp32, shape: [2, 4], bytes: bytes, owner: nil)
      try model.execute(execution)
    }
    let actions = Array(execution.output(0).bytes.bindMemory(to: Int64.self))
    let values = Array(execution.output(1).bytes.bindMemory(to: Float.self))
    #expect(values.count == 4)
    for row in 0..<2 {
      #expect(actions[row] == (values[2 * row + 1] > values[2 * row] ? 1 : 0))
    }
    let report = try #require(files["report.txt"])
    #expect(String(decoding: report, as: UTF8.self).contains("duelling"))
  }

  @Test(arguments: [
    (#"{"environment": {"type": "taxi"}}"#, "configuration.environment.type"),
    (
      #"{"environment": {"type": "cart_pole"}, "exploration": {"type": "softmax"}}"#,
      "configuration.exploration.type"
    ),
    (
      #"{"environment": {"type": "cart_pole"}, "network": {"hidden": []}}"#,
      "configuration.network.hidden"
    ),
    (
      #"{"environment": {"type": "cart_pole"}, "learning_starts": 10}"#,
      "configuration.learning_starts"
    ),
    (
      #"{"environment": {"type": "cart_pole"}, "replay": {"capacity": 10}}"#,
      "configuration.replay.capacity"
    ),
    (
      #"{"environment": {"type": "remote", "actions": 2, "observation": {"type": "states", "count": 4}}}"#,
      "configuration.environment.observation.type"
    ),
    (
      #"{"environment": {"type": "remote", "actions": 2, "observation": {"type": "box", "shape": [0]}}}"#,
      "configuration.environment.observation.shape"
    ),
  ]) func refuses(_ configuration: String, _ field: String) throws {
    let plugin = try Self.plugin()
    #expect {
      try plugin.validate(configuration: configuration, dataset: nil)
    } throws: { error in
      (error as? PluginError)?.violations.contains { $0.field == field } == true
    }
  }
}

@Suite struct SumTreeTests {
  @Test func aLeafIsFoundInItsShare() {
    var tree = SumTree(count: 5)
    for (leaf, priority) in [1.0, 0, 3, 2, 4].enumerated() { tree[leaf] = priority }
    #expect(tree.total == 10)
    for (point, leaf) in [(0.0, 0), (0.99, 0), (1, 2), (3.99, 2), (4, 3), (6, 4), (10, 4)] {
      #expect(tree.leaf(at: point) == leaf, "\(point)")
    }
    tree[4] = 0
    #expect(tree.leaf(at: 6) == 3)
  }

  @Test func drawsAreInProportion() {
    var tree = SumTree(count: 3)
    for (leaf, priority) in [1.0, 2, 5].enumerated() { tree[leaf] = priority }
    let random = Philox(key: 1, stream: 1)
    var counts = [0, 0, 0]
    for draw in 0..<8000 {
      counts[tree.leaf(at: random.word(at: UInt64(draw)).uniform * tree.total)] += 1
    }
    #expect(abs(counts[0] - 1000) < 120 && abs(counts[2] - 5000) < 200, "\(counts)")
  }
}

@Suite struct ReplayBufferTests {
  @Test func theOldestGivesWay() {
    var buffer = ReplayBuffer(capacity: 3, elementCount: 1)
    for step in 0..<5 {
      let (now, next): ([Float], [Float]) = ([Float(step)], [Float(step + 1)])
      let place = buffer.add(
        now, action: step, reward: Float(step), next: next, terminated: step == 4)
      #expect(place == step % 3)
    }
    #expect(buffer.count == 3)
    let batch = ReplayBatch(size: 3, elementCount: 1)
    buffer.gather([0, 1, 2], into: batch)
    #expect(Array(batch.observations) == [3, 4, 2])
    #expect(Array(batch.nextObservations) == [4, 5, 3])
    #expect(Array(batch.actions) == [3, 4, 2])
    #expect(Array(batch.continues) == [1, 0, 1])
  }
}
