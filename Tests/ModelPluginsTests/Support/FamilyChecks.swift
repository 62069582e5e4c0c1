// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// What every family's tests do alike.
enum FamilyChecks {
  /// A built-in plugin on a pool of its own.
  static func plugin(_ name: String, threads: Int = 2) throws -> ModelPlugins.ModelPlugin {
    let host = try TestRegistry(threads: threads)
    try host.registry.registerBuiltIns()
    return try #require(host.registry.plugin(named: name))
  }

  /// Trains all epochs that are left.
  @discardableResult
  static func train(_ trainer: PluginTrainer) throws -> [TrainingMetric] {
    var metrics: [TrainingMetric] = []
    while trainer.completedEpochs < trainer.epochs {
      metrics = try trainer.trainEpoch(trainer.completedEpochs + 1) { _ in true }
    }
    return metrics
  }

  /// Trains a model and gives its artifacts.
  static func fit(
    _ name: String, _ configuration: String, _ dataset: DataSetView, seed: UInt64 = 1,
    threads: Int = 2
  ) throws -> (trainer: PluginTrainer, artifacts: ArtifactStore) {
    let trainer = try plugin(name, threads: threads).makeTrainer(
      configuration: configuration, seed: seed, dataset: dataset)
    try train(trainer)
    let store = ArtifactStore()
    try trainer.export(to: store.writer)
    return (trainer, store)
  }

  /// Expects the same bytes at 1, 2 and 7 threads, and when every epoch runs in a new trainer that
  /// takes up the checkpoint of the one before.
  static func expectSameBits(
    _ name: String, _ configuration: String, _ dataset: DataSetView,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let expected = try fit(name, configuration, dataset, threads: 2).artifacts.contents
    for threads in [1, 7] {
      let other = try fit(name, configuration, dataset, threads: threads).artifacts.contents
      #expect(other == expected, "\(threads) threads", sourceLocation: sourceLocation)
    }
    let plugin = try plugin(name)
    var checkpoint: [Artifact]?
    var isDone = false
    while !isDone {
      let trainer = try plugin.makeTrainer(configuration: configuration, seed: 1, dataset: dataset)
      if let checkpoint { try trainer.restore(from: checkpoint) }
      if trainer.completedEpochs < trainer.epochs {
        _ = try trainer.trainEpoch(trainer.completedEpochs + 1) { _ in true }
      }
      let store = ArtifactStore()
      try trainer.checkpoint(to: store.writer)
      checkpoint = store.artifacts
      isDone = trainer.completedEpochs == trainer.epochs
    }
    let last = try plugin.makeTrainer(configuration: configuration, seed: 1, dataset: dataset)
    try last.restore(from: try #require(checkpoint))
    let store = ArtifactStore()
    try last.export(to: store.writer)
    #expect(store.contents == expected, "resumed after every epoch", sourceLocation: sourceLocation)
    // Of another run, and cut short: refused.
    let other = try plugin.makeTrainer(configuration: configuration, seed: 2, dataset: dataset)
    #expect(throws: PluginError.self, sourceLocation: sourceLocation) {
      try other.restore(from: try #require(checkpoint))
    }
  }

  /// Loads a model and answers one batch of FP32 rows given to its only input.
  static func answer(
    _ name: String, _ artifacts: ArtifactStore, _ rows: [Float], count: Int
  ) throws -> PluginExecution {
    let model = try plugin(name).makeModel(artifacts: artifacts.artifacts, configuration: "{}")
    let execution = model.makeExecution()
    execution.batchSize = count
    let box = ByteBox(rows.withUnsafeBytes { Array($0) })
    execution.setInput(
      0, datatype: .fp32, shape: [count] + model.inputs[0].shape, bytes: box.bytes, owner: box)
    try model.execute(execution)
    return execution
  }

  static func value(_ name: String, _ metrics: [TrainingMetric]) throws -> Double {
    try #require(metrics.first { $0.name == name }?.value)
  }

  /// A report, read back.
  static func report(_ artifacts: ArtifactStore) throws -> JSONValue {
    let text = String(decoding: try #require(artifacts.contents["report.json"]), as: UTF8.self)
    #expect(artifacts.contents["report.txt"]?.isEmpty == false)
    return try JSONValue(parsing: text, name: "report.json")
  }
}

/// A file of Tests/Golden/families: a data set and what the reference found on it.
struct FamilyGolden {
  private let bundle: TensorBundle

  init(_ name: String) throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Golden/families/\(name).safetensors").standardized
    let box = ByteBox(try Data(contentsOf: path))
    bundle = try TensorBundle(parsing: box.bytes, name: name)
  }

  func values<Element: TensorElement>(
    _ key: String, as type: Element.Type = Element.self
  ) throws -> [Element] {
    try bundle.values(key)
  }

  func scalar(_ key: String) throws -> Double { try bundle.values(key, as: Double.self)[0] }

  /// The data set `train/x`, `train/y` and the same as `test`.
  func dataset<Target: TensorElement>(target: Target.Type) throws -> DataSetView {
    var data = TableData()
    let width = try #require(bundle.shape(of: "x")?[1])
    for split in ["train", "test"] {
      data.add("\(split)/x", try values("x", as: Float.self), row: [width])
      data.add("\(split)/y", try values("y", as: Target.self))
    }
    return try data.view()
  }

  /// The data set `train/x`.
  func features() throws -> DataSetView {
    var data = TableData()
    let width = try #require(bundle.shape(of: "x")?[1])
    if let bytes = try? values("x", as: UInt8.self) {
      data.add("train/x", bytes, row: [width])
    } else {
      data.add("train/x", try values("x", as: Float.self), row: [width])
    }
    return try data.view()
  }
}

/// The largest difference of two lists, relative to `scale`.
func largestDifference(_ a: [Double], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  return zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) }
}
