// SPDX-License-Identifier: Apache-2.0

extension TabularTrainer {
  private static let valuesName = "q_values"
  private static let curveName = "learning_curve"

  func checkpoint(to writer: ArtifactSink) throws(PluginError) {
    var bundle = self.bundle
    bundle.set(
      Self.curveName, curve.numbers, shape: [curve.points.count, LearningCurve.width])
    try LearnedArtifacts.write(
      try bundle.encode(), as: LearnedArtifacts.checkpoint, to: writer)
    try LearnedArtifacts.write(
      description.text(completedEpochs: curve.points.count),
      as: LearnedArtifacts.checkpointDescription, to: writer)
  }

  func restore(from artifacts: [Artifact]) throws(PluginError) -> Int {
    let completed = try description.read(
      LearnedArtifacts.find(LearnedArtifacts.checkpointDescription, in: artifacts),
      epochs: epochCount)
    let artifact = try LearnedArtifacts.find(LearnedArtifacts.checkpoint, in: artifacts)
    let bundle = try TensorBundle(parsing: artifact.bytes, name: artifact.name)
    let stored: [Double] = try bundle.values(Self.valuesName, shape: shape)
    let numbers: [Double] = try bundle.values(
      Self.curveName, shape: [completed, LearningCurve.width])
    _ = values.values.update(fromContentsOf: stored)
    curve = LearningCurve(numbers: numbers)
    return completed
  }

  func export(to writer: ArtifactSink) throws(PluginError) {
    try LearnedArtifacts.write(
      try bundle.encode(), as: LearnedArtifacts.weights, to: writer)
    try LearnedArtifacts.write(
      TabularModel.Description(
        rule: rule, stateCount: values.stateCount, actionCount: values.actionCount,
        maxBatchSize: configuration.maxBatchSize
      ).text, as: LearnedArtifacts.model, to: writer)
    let report = TabularReport(
      family: rule.rawValue, values: values, table: configuration.environment.table, curve: curve,
      initialValue: configuration.initialValue
    ).report
    try LearnedArtifacts.write(report.json.text + "\n", as: Report.jsonName, to: writer)
    try LearnedArtifacts.write(report.text, as: Report.textName, to: writer)
    try LearnedArtifacts.write(
      curve.svg(title: rule.rawValue), as: LearningCurve.drawingName, to: writer)
  }

  /// The table as a file.
  private var bundle: TensorBundle {
    var bundle = TensorBundle()
    bundle.set(Self.valuesName, Array(values.values), shape: shape)
    return bundle
  }

  private var shape: [Int] { [values.stateCount, values.actionCount] }
}
