// SPDX-License-Identifier: Apache-2.0
import Runtime

extension TabularTrainer {
  private static let valuesName = "q_values"
  private static let curveName = "learning_curve"

  func checkpoint(to writer: ArtifactSink) throws(PluginError) {
    let numbers = curve.numbers
    let box = ByteBox(numbers.withUnsafeBytes { Array($0) })
    try LearnedArtifacts.write(
      try withExtendedLifetime(box) { () throws(PluginError) in
        try LearnedArtifacts.encode([
          (Self.valuesName, .fp64, shape, UnsafeRawBufferPointer(values.values)),
          (
            Self.curveName, .fp64, [curve.points.count, LearningCurve.width], box.bytes
          ),
        ])
      }, as: LearnedArtifacts.checkpoint, to: writer)
    try LearnedArtifacts.write(
      description.text(completedEpochs: curve.points.count),
      as: LearnedArtifacts.checkpointDescription, to: writer)
  }

  func restore(from artifacts: [Artifact]) throws(PluginError) -> Int {
    let completed = try description.read(
      LearnedArtifacts.find(LearnedArtifacts.checkpointDescription, in: artifacts),
      epochs: epochCount)
    let artifact = try LearnedArtifacts.find(LearnedArtifacts.checkpoint, in: artifacts)
    try withExtendedLifetime(artifact) { () throws(PluginError) in
      let file = try TensorFile(artifact)
      let stored = try file.tensor(Self.valuesName, .fp64, shape: shape)
      let numbers = try file.elements(
        Self.curveName, .fp64, shape: [completed, LearningCurve.width], as: Double.self)
      UnsafeMutableRawBufferPointer(values.values).copyMemory(from: stored)
      curve = LearningCurve(numbers: numbers)
    }
    return completed
  }

  func export(to writer: ArtifactSink) throws(PluginError) {
    try LearnedArtifacts.write(
      try LearnedArtifacts.encode([
        (Self.valuesName, .fp64, shape, UnsafeRawBufferPointer(values.values))
      ]), as: LearnedArtifacts.weights, to: writer)
    try LearnedArtifacts.write(
      TabularModel.Description(
        rule: rule, stateCount: values.stateCount, actionCount: values.actionCount,
        maxBatchSize: configuration.maxBatchSize
      ).text, as: LearnedArtifacts.model, to: writer)
    let report = TabularReport(
      family: rule.rawValue, values: values, table: configuration.environment.table, curve: curve,
      initialValue: configuration.initialValue)
    try LearnedArtifacts.write(report.json, as: "report.json", to: writer)
    try LearnedArtifacts.write(report.text, as: "report.txt", to: writer)
    try LearnedArtifacts.write(
      curve.svg(title: rule.rawValue), as: "learning-curve.svg", to: writer)
  }

  private var shape: [Int] { [values.stateCount, values.actionCount] }
}
