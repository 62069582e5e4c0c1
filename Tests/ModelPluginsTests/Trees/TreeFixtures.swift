// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// Values of scikit-learn and LightGBM, made by `scripts/make-tree-goldens`.
struct TreeGolden {
  private let bundle: TensorBundle

  init() throws {
    let url = Locations.root.appending(path: "Tests/Golden/trees.safetensors")
    let bytes = [UInt8](try Data(contentsOf: url))
    bundle = try bytes.withUnsafeBytes { try TensorBundle(parsing: $0, name: "trees") }
  }

  func floats(_ name: String) throws -> [Float] { try bundle.values(name) }
  func integers(_ name: String) throws -> [Int32] { try bundle.values(name) }

  func width(_ name: String) throws -> Int { try #require(bundle.shape(of: name)?.last) }

  /// A table with the columns `x` and the target `y`, the same rows for training and test.
  func data(_ name: String, features: String = "x") throws -> DataSetView {
    let key = "\(name)/\(features)"
    let x = try floats(key)
    let width = try width(key)
    var data = TableData()
    for split in ["train", "test"] {
      data.add("\(split)/x", x, row: [width])
      if name == "diabetes" {
        data.add("\(split)/y", try floats("\(name)/y"))
      } else {
        data.add("\(split)/y", try integers("\(name)/y"))
      }
    }
    return try data.view()
  }
}

/// A family's run from configuration to answers, in process.
struct TreeRun {
  let plugin: ModelPlugins.ModelPlugin
  let trainer: PluginTrainer
  private(set) var metrics: [[String: Double]] = []

  init(
    _ family: String, _ configuration: String, _ data: DataSetView, seed: UInt64 = 1,
    threads: Int = 2, restoring checkpoint: [Artifact]? = nil, epochs: Int = .max
  ) throws {
    let registry = try TestRegistry(threads: threads)
    try registry.registry.registerBuiltIns()
    plugin = try #require(registry.registry.plugin(named: family))
    trainer = try plugin.makeTrainer(configuration: configuration, seed: seed, dataset: data)
    if let checkpoint { try trainer.restore(from: checkpoint) }
    while trainer.completedEpochs < min(trainer.epochs, epochs) {
      let results = try trainer.trainEpoch(trainer.completedEpochs + 1) { _ in true }
      metrics.append(Self.dictionary(results))
    }
  }

  static func dictionary(_ metrics: [TrainingMetric]) -> [String: Double] {
    Dictionary(uniqueKeysWithValues: metrics.map { ($0.name, $0.value) })
  }

  func evaluate(_ split: String = "test") throws -> [String: Double] {
    Self.dictionary(try trainer.evaluate(split: split))
  }

  func exported() throws -> [String: [UInt8]] {
    let store = ArtifactStore()
    try trainer.export(to: store.writer)
    return store.contents
  }

  func checkpoint() throws -> [Artifact] {
    let store = ArtifactStore()
    try trainer.checkpoint(to: store.writer)
    return store.artifacts
  }

  /// Output 0 for rows of one matrix input, in batches that the model takes.
  func answers(_ rows: [Float], width: Int) throws -> [Float] {
    let artifacts = try exported().map { Artifact(name: $0.key, copying: $0.value) }
    let model = try plugin.makeModel(artifacts: artifacts, configuration: "{}")
    var answers: [Float] = []
    let count = rows.count / width
    for first in stride(from: 0, to: count, by: model.maxBatchSize) {
      let end = min(first + model.maxBatchSize, count)
      let execution = model.makeExecution()
      execution.batchSize = end - first
      execution.setFloats(
        0, Array(rows[(first * width)..<(end * width)]), shape: [end - first, width])
      try model.execute(execution)
      answers += execution.output(0).floats
    }
    return answers
  }
}

/// The largest difference of two lists.
func largestDifference(_ a: [Float], _ b: [Float]) -> Double {
  guard a.count == b.count else { return .infinity }
  return zip(a, b).reduce(0) { max($0, abs(Double($1.0) - Double($1.1))) }
}
