// SPDX-License-Identifier: Apache-2.0

/// A training run of a family: an epoch is an iteration of its fit.
final class FamilyTrainer<Family: ModelFamily>: TrainerImplementation {
  private let fit: any FamilyFit
  /// What a checkpoint may only be restored into.
  private let identity: JSONValue
  private var completed = 0

  private static var stateName: String { "checkpoint.safetensors" }
  private static var descriptionName: String { "checkpoint.json" }

  init(fit: any FamilyFit, configuration: JSONValue, seed: UInt64) {
    self.fit = fit
    identity = [
      "format": .string("massif.\(Family.name).checkpoint/1"), "seed": .string("\(seed)"),
      "samples": .integer(fit.sampleCount), "configuration": configuration,
    ]
  }

  /// A fit that has converged ends the run early.
  var epochCount: Int { fit.isComplete ? max(completed, 1) : fit.iterationCount }
  var sampleCount: Int { fit.sampleCount }
  var stepCount: Int { 1 }

  func trainEpoch(_ epoch: Int, observer: TrainingObserver) throws(PluginError) {
    let metrics = try fit.iterate(epoch, observer: observer)
    completed = epoch
    observer.finish(metrics)
  }

  func trainStep(_ step: Int, epoch: Int, observer: TrainingObserver) throws(PluginError) {
    try trainEpoch(epoch, observer: observer)
  }

  func evaluate(split: String, observer: TrainingObserver) throws(PluginError) {
    observer.finish(try fit.evaluate(split: split, observer: observer))
  }

  func checkpoint(to writer: ArtifactSink) throws(PluginError) {
    try write(try fit.state().encode(), Self.stateName, to: writer)
    let description: JSONValue = [
      "completed": .integer(completed), "identity": identity,
    ]
    try write(Array(description.text.utf8), Self.descriptionName, to: writer)
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
    let list = ViolationList()
    let fields = FieldReader(
      try JSONValue(
        parsing: String(decoding: description.bytes, as: UTF8.self), name: Self.descriptionName),
      path: Self.descriptionName, keys: ["completed", "identity"], list: list)
    let iterations = fields.integer("completed", 0...fit.iterationCount)
    try list.check()
    guard fields["identity"] == identity else {
      throw PluginError(
        .failedPrecondition,
        "the checkpoint is of another configuration, seed or data set than this run")
    }
    try fit.restore(
      try TensorBundle(parsing: state.bytes, name: Self.stateName), iteration: iterations)
    completed = iterations
    return iterations
  }

  func export(to writer: ArtifactSink) throws(PluginError) {
    let model = try fit.export()
    try write(try model.weights.encode(), ModelFile<Family>.weightsName, to: writer)
    try write(
      Array(ModelFile<Family>.text(model.description).utf8), ModelFile<Family>.descriptionName,
      to: writer)
    try write(Array((model.report.json.text + "\n").utf8), Report.jsonName, to: writer)
    try write(Array(model.report.text.utf8), Report.textName, to: writer)
    for drawing in model.drawings {
      try write(Array(drawing.text.utf8), drawing.name, to: writer)
    }
  }

  private func write(
    _ bytes: [UInt8], _ name: String, to writer: ArtifactSink
  ) throws(PluginError) {
    let box = ByteBox(bytes)
    try withExtendedLifetime(box) { () throws(PluginError) in
      try writer.append(box.bytes, to: name)
    }
  }
}
