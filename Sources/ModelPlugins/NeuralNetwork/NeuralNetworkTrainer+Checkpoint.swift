// SPDX-License-Identifier: Apache-2.0
import Runtime

extension NeuralNetworkTrainer {
  private static let stateName = "checkpoint.safetensors"
  private static let descriptionName = "checkpoint.json"
  private static let format = "massif.neural-network.checkpoint/1"

  func checkpoint(to writer: ArtifactSink) throws(PluginError) {
    let steps = UInt64(stepCount)
    guard session.stepCount.isMultiple(of: steps) else {
      throw PluginError(
        .failedPrecondition,
        "a checkpoint is taken between epochs; \(session.stepCount % steps) of \(stepCount) steps"
          + " of this one are done")
    }
    try write(Self.stateName, to: writer) { () throws(RuntimeError) in
      try self.session.encodeState()
    }
    try write(Self.descriptionName, to: writer) { () throws(RuntimeError) in
      Array(self.description(completedEpochs: Int(self.session.stepCount / steps)).utf8)
    }
  }

  func export(to writer: ArtifactSink) throws(PluginError) {
    try write(NetworkDescription.weightsArtifactName, to: writer) { () throws(RuntimeError) in
      try self.session.parameters.encode()
    }
    try write(NetworkDescription.artifactName, to: writer) { () throws(RuntimeError) in
      Array(self.networkDescription.text.utf8)
    }
  }

  func restore(from artifacts: [Artifact]) throws(PluginError) -> Int {
    guard let state = artifacts.first(where: { $0.name == Self.stateName }),
      let description = artifacts.first(where: { $0.name == Self.descriptionName })
    else {
      throw PluginError(
        .invalidArgument,
        "expected a checkpoint of \(Self.stateName) and \(Self.descriptionName), came"
          + " \(artifacts.map(\.name).joined(separator: ", "))")
    }
    let completed = try readDescription(String(decoding: description.bytes, as: UTF8.self))
    do throws(RuntimeError) {
      try withExtendedLifetime(state) { () throws(RuntimeError) in
        try session.restoreState(state.bytes)
      }
    } catch {
      throw PluginError(.dataLoss, "\(Self.stateName): \(error)")
    }
    guard session.stepCount == UInt64(completed) * UInt64(stepCount) else {
      throw PluginError(
        .dataLoss,
        "\(Self.descriptionName) says \(completed) epochs of \(stepCount) steps,"
          + " \(Self.stateName) says \(session.stepCount) steps")
    }
    return completed
  }

  /// What a checkpoint may only be restored into.
  private func description(completedEpochs: Int) -> String {
    #"{"format":"\#(Self.format)","completed_epochs":\#(completedEpochs),"seed":"\#(seed)","#
      + #""samples":\#(sampleCount),"model":\#(networkDescription.text)}"#
  }

  private var networkDescription: NetworkDescription {
    NetworkDescription(configuration: network.configuration, sample: network.sample)
  }

  private func readDescription(_ text: String) throws(PluginError) -> Int {
    let list = ViolationList()
    let json = try JSONValue(parsing: text, name: Self.descriptionName)
    let fields = FieldReader(
      json, path: Self.descriptionName,
      keys: ["format", "completed_epochs", "seed", "samples", "model"], list: list)
    let completed = fields.integer("completed_epochs", 0...epochCount)
    try list.check()
    // Everything but the number of epochs must be as this run would write it.
    let expected = try JSONValue(
      parsing: description(completedEpochs: completed), name: Self.descriptionName)
    guard json == expected else {
      throw PluginError(
        .failedPrecondition,
        "the checkpoint is of another configuration, seed or data set than this run")
    }
    return completed
  }

  private func write(
    _ name: String, to writer: ArtifactSink, _ contents: () throws(RuntimeError) -> [UInt8]
  ) throws(PluginError) {
    let bytes: [UInt8]
    do throws(RuntimeError) {
      bytes = try contents()
    } catch {
      throw PluginError(error)
    }
    let box = ByteBox(bytes)
    try withExtendedLifetime(box) { () throws(PluginError) in
      try writer.append(box.bytes, to: name)
    }
  }
}
