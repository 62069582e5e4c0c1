// SPDX-License-Identifier: Apache-2.0

extension GradientBoostingFit {
  /// What was learned: the sizes, the learning curve, the importance of the columns.
  func report(_ ensemble: TreeEnsemble) -> Report {
    var report = Report(
      family: GradientBoostingFamily.name,
      title: "gradient boosting, \(task.rawValue) of \(data.targetName) on"
        + " \(data.table.columnCount) columns, \(sampleCount) rows")
    report.fact("task", "task", .string(task.rawValue))
    report.fact("rounds", "rounds", .integer(curve.count))
    if configuration.earlyStopping != nil {
      report.fact("best_round", "best round", .integer(bestRound))
    }
    report.fact("trees", "trees", .integer(ensemble.treeCount))
    report.fact("leaves", "leaves", .integer(ensemble.leafCount))
    report.fact("learning_rate", "learning rate", .number(configuration.rules.learningRate))
    if let classes = data.classes { report.data("classes", .strings(classes.names.texts)) }
    if bestRound > 0 {
      let point = curve[bestRound - 1]
      report.fact("training_loss", "loss in training", .number(point.training))
      if let validation = point.validation {
        report.fact("validation_loss", "loss in validation", .number(validation))
      }
    }
    report.importance(gains, names: data.schema.columnNames)
    let hasValidation = curve.contains { $0.validation != nil }
    report.table(
      "curve", "Learning curve",
      columns: ["round", "loss"] + (hasValidation ? ["validation_loss"] : []),
      rows: curve.enumerated().map { round, point in
        [.integer(round + 1), .number(point.training)]
          + (hasValidation ? [.number(point.validation ?? .nan)] : [])
      }, textLimit: 20)
    return report
  }
}
