// SPDX-License-Identifier: Apache-2.0

/// The artifacts of the reinforcement-learning families.
enum LearnedArtifacts {
  static let weights = "weights.safetensors"
  static let model = "model.json"
  static let checkpoint = "checkpoint.safetensors"
  static let checkpointDescription = "checkpoint.json"

  /// Writes a text.
  static func write(
    _ text: String, as name: String, to writer: ArtifactSink
  ) throws(PluginError) {
    try write(Array(text.utf8), as: name, to: writer)
  }

  /// Writes bytes.
  static func write(
    _ bytes: [UInt8], as name: String, to writer: ArtifactSink
  ) throws(PluginError) {
    let box = ByteBox(bytes)
    try withExtendedLifetime(box) { () throws(PluginError) in
      try writer.append(box.bytes, to: name)
    }
  }

  /// The artifact of that name.
  ///
  /// - Throws: `.failedPrecondition` when there is none.
  static func find(_ name: String, in artifacts: [Artifact]) throws(PluginError) -> Artifact {
    guard let artifact = artifacts.first(where: { $0.name == name }) else {
      throw PluginError(
        .failedPrecondition,
        "expected an artifact \(name), came \(artifacts.map(\.name).joined(separator: ", "))")
    }
    return artifact
  }
}

/// What a checkpoint may only be restored into: `checkpoint.json`.
struct CheckpointDescription {
  let format: String
  let seed: UInt64
  let configuration: JSONValue

  /// The artifact's text.
  func text(completedEpochs: Int) -> String {
    ([
      "format": .string(format), "completed_epochs": .integer(completedEpochs),
      "seed": .string("\(seed)"), "configuration": configuration,
    ] as JSONValue).text
  }

  /// Reads the artifact: how many epochs were done.
  ///
  /// - Throws: `.failedPrecondition` for a checkpoint of another training.
  func read(_ artifact: Artifact, epochs: Int) throws(PluginError) -> Int {
    let list = ViolationList()
    let fields = FieldReader(
      try JSONValue(
        parsing: String(decoding: artifact.bytes, as: UTF8.self), name: artifact.name),
      path: artifact.name, keys: ["format", "completed_epochs", "seed", "configuration"],
      list: list)
    let completed = fields.integer("completed_epochs", 0...epochs)
    try list.check()
    guard fields["format"] == .string(format), fields["seed"] == .string("\(seed)"),
      fields["configuration"] == configuration
    else {
      throw PluginError(
        .failedPrecondition, "the checkpoint is of another configuration or seed than this run")
    }
    return completed
  }
}
