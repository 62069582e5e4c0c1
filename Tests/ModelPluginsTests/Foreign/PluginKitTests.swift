// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import PluginKit
import Runtime
import Synchronization
import Testing

@testable import ModelPlugins

/// A plugin of PluginKit behind its C table, called through the host's side: both halves of the ABI
/// against each other, training included.
struct PluginKitTests {
  /// Learns the mean of its samples, one step a sample; the model adds it to its input.
  private struct MeanPlugin: TrainingPlugin {
    let name = "mean"
    let version = "2.1.0"
    let configurationSchema = #"{"title":"mean"}"#
    /// What the plugin saw of the host.
    let seen: Seen

    final class Seen: Sendable {
      let sum = Atomic<Int>(0)
    }

    func validate(configuration: String, dataset: [PluginKit.TensorSpecification]?) throws {
      guard configuration != "bad" else {
        throw PluginFailure(
          .invalidArgument, "nothing fits",
          violations: [("configuration.rate", "too high"), ("configuration.size", "too low")])
      }
      guard let dataset else { return }
      guard dataset.map(\.name) == ["train/x"], dataset[0].shape == [3],
        dataset[0].datatype == .fp32
      else { throw PluginFailure(.failedPrecondition, "another data set") }
    }

    func estimateMemory(
      configuration: String, dataset: [PluginKit.TensorSpecification]?
    ) throws -> (inference: Int, training: Int) { (4, 8) }

    func makeModel(_ request: ModelRequest) throws -> any PluginKit.Model {
      let mean = try request.artifact("mean").loadUnaligned(as: Float.self)
      request.host.log(.warning, "mean is \(mean)")
      request.host.parallelFor(100) { seen.sum.add($0, ordering: .relaxed) }
      return Adder(mean: mean)
    }

    func makeTrainer(_ request: TrainerRequest) throws -> any PluginKit.Trainer {
      MeanTrainer(
        values: Array(request.dataset[0].elements(as: Float.self)), seed: request.seed)
    }
  }

  private final class Adder: PluginKit.Model {
    let inputs = [PluginKit.TensorSpecification("x", .fp32, [2])]
    let outputs = [PluginKit.TensorSpecification("y", .fp32, [2])]
    let maxBatchSize = 4
    let mean: Float
    init(mean: Float) { self.mean = mean }

    func execute(_ call: Execution) throws {
      if call.isCancelled { throw PluginFailure(.cancelled, "nobody waits") }
      if let trace = call.traceParent { throw PluginFailure(.aborted, trace) }
      let x = call.input(0).elements(as: Float.self)
      if x[0] < 0 { throw PluginFailure(.outOfRange, "expected 0 or more, came \(x[0])") }
      let y = try call.output(0, .fp32, [call.batchSize, 2])
      for index in x.indices {
        y.storeBytes(of: x[index] + mean, toByteOffset: 4 * index, as: Float.self)
      }
    }
  }

  private final class MeanTrainer: PluginKit.Trainer {
    let epochCount = 2
    let values: [Float]
    let seed: UInt64
    var sum: Float = 0
    var count = 0

    init(values: [Float], seed: UInt64) {
      self.values = values
      self.seed = seed
    }
    var sampleCount: Int { values.count }
    var stepCount: Int { values.count }
    private var mean: Float { count == 0 ? 0 : sum / Float(count) }

    func trainEpoch(_ epoch: Int, progress: PluginKit.Progress) throws -> [Metric] {
      for step in 0..<stepCount {
        _ = try trainStep(step, epoch: epoch, progress: progress)
        try progress.report(samplesDone: step + 1, [Metric("mean", Double(mean))])
      }
      return [Metric("mean", Double(mean)), Metric("seed", Double(seed))]
    }

    func trainStep(_ step: Int, epoch: Int, progress: PluginKit.Progress) throws -> [Metric] {
      sum += values[step]
      count += 1
      return [Metric("value", Double(values[step]))]
    }

    var supportsPartialFit: Bool { seed == 7 }

    func partialFit(
      _ dataset: [PluginKit.Tensor], progress: PluginKit.Progress
    ) throws -> [Metric] {
      let more = dataset[0].elements(as: Float.self)
      sum += more.reduce(0, +)
      count += more.count
      return [Metric("mean", Double(mean))]
    }

    func checkpoint(to writer: Writer) throws {
      try withUnsafeBytes(of: sum) { try writer.write("state", $0) }
      try withUnsafeBytes(of: Int64(count)) { try writer.write("state", $0) }
    }

    func restore(from artifacts: [PluginKit.Artifact]) throws -> Int {
      guard let state = artifacts.first, state.bytes.count == 12 else {
        throw PluginFailure(.dataLoss, "expected 12 bytes")
      }
      sum = state.bytes.loadUnaligned(as: Float.self)
      count = Int(state.bytes.loadUnaligned(fromByteOffset: 4, as: Int64.self))
      return count / stepCount
    }

    func export(to writer: Writer) throws {
      try withUnsafeBytes(of: mean) { try writer.write("mean", $0) }
    }
  }

  private let lines = TestRegistry.LogLines()
  private let services: HostServices
  private let plugin: ForeignPlugin
  private let table: ModelPlugins.PluginTable
  private let seen = MeanPlugin.Seen()

  init() throws {
    services = HostServices(
      label: "test", workers: try WorkerPool(threadCount: 2),
      instructionSet: try InstructionSet.preferred(), log: lines.append)
    let exported = export(MeanPlugin(seen: seen), to: UnsafePointer(services.table))
    table = try ModelPlugins.PluginTable(checking: #require(exported))
    plugin = ForeignPlugin(table: table)
  }

  private func listed() -> ModelPlugins.ModelPlugin {
    ModelPlugins.ModelPlugin(
      name: table.name, version: table.version, digest: "", isBuiltIn: false,
      abiVersion: table.abiVersion, capabilities: table.capabilities,
      configurationSchema: table.configurationSchema, limits: PluginLimits(),
      implementation: plugin)
  }

  private func dataset() throws -> DataSetView {
    try SyntheticData.view([
      (
        ModelPlugins.TensorSpecification(name: "train/x", datatype: .fp32, shape: [3]),
        [Float(1), 2, 6].flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
      )
    ])
  }

  @Test func describesItself() {
    #expect(table.name == "mean")
    #expect(table.version == "2.1.0")
    #expect(table.capabilities == [.inference, .training])
    #expect(table.configurationSchema == #"{"title":"mean"}"#)
  }

  @Test func validates() throws {
    let plugin = listed()
    try plugin.validate(configuration: "{}", dataset: dataset().description)
    let error = failure { try plugin.validate(configuration: "bad", dataset: nil) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message == "nothing fits")
    #expect(
      error?.violations == [
        FieldViolation(field: "configuration.rate", description: "too high"),
        FieldViolation(field: "configuration.size", description: "too low"),
      ])
    #expect(
      try plugin.estimateMemory(configuration: "{}", dataset: nil)
        == MemoryEstimate(inferenceByteCount: 4, trainingByteCount: 8))
  }

  @Test("Trained, exported, loaded, served")
  func trainsAndServes() throws {
    let plugin = listed()
    let trainer = try plugin.makeTrainer(configuration: "{}", seed: 9, dataset: dataset())
    #expect(trainer.epochs == 2)
    #expect(trainer.sampleCount == 3)
    var reports: [TrainingProgress] = []
    let results = try trainer.trainEpoch(1) {
      reports.append($0)
      return true
    }
    #expect(
      reports.first
        == TrainingProgress(samplesDone: 1, metrics: [TrainingMetric(name: "mean", value: 1)]))
    #expect(
      results == [TrainingMetric(name: "mean", value: 3), TrainingMetric(name: "seed", value: 9)])
    #expect(try trainer.trainStep(0, epoch: 2) == [TrainingMetric(name: "value", value: 1)])
    #expect(failure { _ = try trainer.evaluate(split: "test") }?.code == .unimplemented)

    let store = ArtifactStore()
    _ = try trainer.trainStep(1, epoch: 2)
    _ = try trainer.trainStep(2, epoch: 2)
    #expect(trainer.completedEpochs == 2)
    try trainer.export(to: store.writer)
    let model = try plugin.makeModel(artifacts: store.artifacts, configuration: "{}")
    #expect(lines.all == ["warning plugin test: mean is 3.0"])
    #expect(seen.sum.load(ordering: .relaxed) == 4950)
    let execution = model.makeExecution()
    execution.batchSize = 2
    execution.setFloats(0, [1, 2, 3, 4], shape: [2, 2])
    try model.execute(execution)
    #expect(execution.output(0).floats == [4, 5, 6, 7])

    execution.setFloats(0, [-1, 2, 3, 4], shape: [2, 2])
    let refused = failure { try model.execute(execution) }
    #expect(refused == PluginError(.outOfRange, "expected 0 or more, came -1.0"))
    execution.traceParent = "00-trace"
    #expect(failure { try model.execute(execution) } == PluginError(.aborted, "00-trace"))
    execution.isCancelled = { true }
    #expect(failure { try model.execute(execution) }?.code == .cancelled)
  }

  @Test("A trainer that says so learns on; any other is not asked")
  func partialFit() throws {
    let plugin = listed()
    let trainer = try plugin.makeTrainer(configuration: "{}", seed: 7, dataset: dataset())
    #expect(trainer.supportsPartialFit)
    #expect(try trainer.partialFit(dataset()) == [TrainingMetric(name: "mean", value: 3)])
    #expect(trainer.completedEpochs == 0)
    let other = try plugin.makeTrainer(configuration: "{}", seed: 8, dataset: dataset())
    #expect(!other.supportsPartialFit)
    #expect(failure { _ = try other.partialFit(dataset()) }?.code == .unimplemented)
  }

  @Test func checkpoints() throws {
    let plugin = listed()
    let first = try plugin.makeTrainer(configuration: "{}", seed: 0, dataset: dataset())
    _ = try first.trainEpoch(1) { _ in true }
    let store = ArtifactStore()
    try first.checkpoint(to: store.writer)
    #expect(store.contents["state"]?.count == 12)
    let second = try plugin.makeTrainer(configuration: "{}", seed: 0, dataset: dataset())
    try second.restore(from: store.artifacts)
    #expect(second.completedEpochs == 1)
    let error = failure {
      try second.restore(from: [ModelPlugins.Artifact(name: "state", copying: [1])])
    }
    #expect(error == PluginError(.dataLoss, "expected 12 bytes"))
    // The writer's own error comes back, not what the plugin makes of it.
    let full = PluginError(.resourceExhausted, "disk full")
    #expect(failure { try second.checkpoint { _, _ in throw full } } == full)
  }

  @Test("A run is stopped by its progress report")
  func cancellation() throws {
    let trainer = try listed().makeTrainer(configuration: "{}", seed: 0, dataset: dataset())
    #expect(failure { _ = try trainer.trainEpoch(1) { _ in false } }?.code == .cancelled)
  }

  @Test("A model that cannot be made says why")
  func missingArtifact() {
    let error = failure { _ = try listed().makeModel(artifacts: [], configuration: "{}") }
    #expect(error == PluginError(.notFound, "the model has no artifact mean"))
  }

  @Test("An older host is refused by the plugin itself")
  func olderHost() {
    var old = services.table.pointee
    old.abi_major = 0
    let refused = withUnsafePointer(to: &old) { export(MeanPlugin(seen: seen), to: $0) == nil }
    #expect(refused)
    #expect(export(MeanPlugin(seen: seen), to: nil) == nil)
  }
}
