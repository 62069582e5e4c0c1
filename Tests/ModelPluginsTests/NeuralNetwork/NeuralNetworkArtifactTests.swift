// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

/// Models and checkpoints made of files that are missing, changed or of another run.
struct NeuralNetworkArtifactTests {
  private let plugin: ModelPlugins.ModelPlugin
  private let dataset: DataSetView

  init() throws {
    let host = try TestRegistry(threads: 1)
    try host.registry.registerBuiltIns()
    plugin = try #require(host.registry.plugin(named: "neural-network"))
    dataset = try SyntheticData.quarters(train: 32, test: 8)
  }

  private func trainer(
    _ configuration: String = TestNetworks.convolutional, seed: UInt64 = 1
  ) throws -> PluginTrainer {
    try plugin.makeTrainer(configuration: configuration, seed: seed, dataset: dataset)
  }

  private func exported() throws -> [String: [UInt8]] {
    let store = ArtifactStore()
    try trainer().export(to: store.writer)
    return store.contents
  }

  private func load(_ contents: [String: [UInt8]]) -> PluginError? {
    failure {
      _ = try plugin.makeModel(
        artifacts: contents.map { Artifact(name: $0.key, copying: $0.value) }, configuration: "")
    }
  }

  @Test("A model needs both of its artifacts")
  func missingArtifacts() throws {
    for name in ["model.json", "weights.safetensors"] {
      var contents = try exported()
      contents[name] = nil
      #expect(load(contents)?.message.contains("no artifact \(name)") == true)
    }
  }

  @Test("Weights of another network are refused with the tensor's name")
  func otherWeights() throws {
    var contents = try exported()
    let text = String(decoding: contents["model.json"] ?? [], as: UTF8.self)
    contents["model.json"] = Array(
      text.replacing(#""units":16"#, with: #""units":17"#).utf8)
    let error = load(contents)
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains(#"weights.safetensors["layers.3.weight"]"#) == true)
  }

  @Test("Files cut short, and descriptions that are none, are refused")
  func damage() throws {
    let good = try exported()
    #expect(load(good) == nil)
    for name in ["model.json", "weights.safetensors"] {
      let bytes = try #require(good[name])
      for count in [0, 1, 8, bytes.count / 2, bytes.count - 1] {
        var contents = good
        contents[name] = Array(bytes[..<count])
        #expect(load(contents)?.code == .invalidArgument, "\(name) of \(count) bytes")
      }
    }
    for (text, field) in [
      ("{}", "model.json.format"),
      (#"{"format":"massif.neural-network/2"}"#, "model.json.format"),
      (
        #"{"format":"massif.neural-network/1","input":{"datatype":"FP32","shape":[0]}}"#,
        "model.json.input.shape"
      ),
      (
        #"{"format":"massif.neural-network/1","input":{"datatype":"X","shape":[2]}}"#,
        "model.json.input.datatype"
      ),
      (
        #"{"format":"massif.neural-network/1","input":{"datatype":"FP32","shape":[2]}}"#,
        "model.json.configuration"
      ),
    ] {
      var contents = good
      contents["model.json"] = Array(text.utf8)
      #expect(load(contents)?.violations.first?.field == field)
    }
  }

  @Test("A checkpoint of another run is refused")
  func otherCheckpoint() throws {
    let store = ArtifactStore()
    try trainer().checkpoint(to: store.writer)
    try trainer().restore(from: store.artifacts)
    let others = [
      try trainer(seed: 2),
      try trainer(
        TestNetworks.convolutional.replacing("\"epochs\":4", with: "\"epochs\":5")),
    ]
    for other in others {
      #expect(failure { try other.restore(from: store.artifacts) }?.code == .failedPrecondition)
    }
    let empty = failure { try trainer().restore(from: []) }
    #expect(empty?.message.contains("checkpoint.safetensors") == true)
  }

  @Test("A damaged checkpoint is refused and leaves the trainer as it was")
  func damagedCheckpoint() throws {
    let store = ArtifactStore()
    let trainer = try trainer()
    try trainer.checkpoint(to: store.writer)
    let whole = try #require(store.contents["checkpoint.safetensors"])
    let description = try #require(store.contents["checkpoint.json"])
    for count in [0, 7, whole.count / 2, whole.count - 1] {
      let error = failure {
        try trainer.restore(from: [
          Artifact(name: "checkpoint.json", copying: description),
          Artifact(name: "checkpoint.safetensors", copying: whole[..<count]),
        ])
      }
      #expect(error?.code == .dataLoss)
    }
    let ahead = String(decoding: description, as: UTF8.self)
      .replacing(#""losses":[]"#, with: #""losses":[1,1]"#)
    let error = failure {
      try trainer.restore(from: [
        Artifact(name: "checkpoint.json", copying: Array(ahead.utf8)),
        Artifact(name: "checkpoint.safetensors", copying: whole),
      ])
    }
    #expect(error?.code == .dataLoss)
    _ = try trainer.trainEpoch(1) { _ in true }
  }

  @Test("A writer that fails ends the checkpoint with its own error")
  func failingWriter() throws {
    let full = PluginError(.resourceExhausted, "disk full")
    let error = failure { try trainer().checkpoint { _, _ in throw full } }
    #expect(error == full)
  }
}
