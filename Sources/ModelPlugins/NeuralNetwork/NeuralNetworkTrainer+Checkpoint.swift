// SPDX-License-Identifier: Apache-2.0
import Runtime

extension NeuralNetworkTrainer {
  private static let stateName = "checkpoint.safetensors"
  private static let bestName = "best.safetensors"
  private static let descriptionName = "checkpoint.json"
  private static let format = "massif.neural-network.checkpoint/2"

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
    if let bestParameters {
      try write(Self.bestName, to: writer) { () throws(RuntimeError) in bestParameters }
    }
    try write(Self.descriptionName, to: writer) { () throws(RuntimeError) in
      Array(self.description(losses: self.losses).utf8)
    }
  }

  func export(to writer: ArtifactSink) throws(PluginError) {
    try write(NetworkDescription.weightsArtifactName, to: writer) { () throws(RuntimeError) in
      try self.session.parameters.encode()
    }
    try write(NetworkDescription.artifactName, to: writer) { () throws(RuntimeError) in
      Array(self.networkDescription.text.utf8)
    }
    let report = try makeReport()
    for (name, text) in [
      (Report.jsonName, report.report.json.text + "\n"), (Report.textName, report.report.text),
      (NetworkReport.drawingName, report.drawing),
    ] {
      try write(name, to: writer) { () throws(RuntimeError) in Array(text.utf8) }
    }
  }

  /// What the exported model's plan will be.
  private func makeReport() throws(PluginError) -> NetworkReport {
    let configuration = network.configuration
    let serving = try Network(configuration, sample: network.sample, for: .serving)
    do throws(RuntimeError) {
      let plan = try Plan(
        serving.graph, outputs: [serving.answer], parameters: session.parameters,
        maximumBatch: configuration.maxBatchSize, instructionSet: instructionSet)
      return NetworkReport(plan.explanation, losses: losses)
    } catch {
      throw PluginError(error)
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
    let losses = try readDescription(String(decoding: description.bytes, as: UTF8.self))
    let completed = losses.count
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
    self.losses = losses
    bestParameters = artifacts.first { $0.name == Self.bestName }.map { Array($0.bytes) }
    return completed
  }

  /// What a checkpoint may only be restored into.
  private func description(losses: [Double]) -> String {
    #"{"format":"\#(Self.format)","losses":\#(JSONValue.numbers(losses).text),"seed":"\#(seed)","#
      + #""samples":\#(sampleCount),"model":\#(networkDescription.text)}"#
  }

  private var networkDescription: NetworkDescription {
    NetworkDescription(configuration: network.configuration, sample: network.sample)
  }

  /// The losses of the epochs that the checkpoint has behind it.
  private func readDescription(_ text: String) throws(PluginError) -> [Double] {
    let list = ViolationList()
    let json = try JSONValue(parsing: text, name: Self.descriptionName)
    let fields = FieldReader(
      json, path: Self.descriptionName, keys: ["format", "losses", "seed", "samples", "model"],
      list: list)
    var losses: [Double] = []
    if case .array(let elements)? = fields["losses"], elements.count <= epochCount {
      for element in elements {
        // A loss that is not finite is written as null.
        if case .number(let loss, _) = element { losses.append(loss) } else { losses.append(.nan) }
      }
    } else {
      fields.refuse("losses", "expected the losses of 0 to \(epochCount) epochs")
    }
    try list.check()
    // Everything but what happened in the epochs must be as this run would write it.
    let expected = try JSONValue(
      parsing: description(losses: losses), name: Self.descriptionName)
    guard json == expected else {
      throw PluginError(
        .failedPrecondition,
        "the checkpoint is of another configuration, seed or data set than this run")
    }
    return losses
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
