// SPDX-License-Identifier: Apache-2.0

extension LogisticRegressionFit {
  /// More than a table for people has; a program reads the weights.
  private static let reportedCoefficients = 1000

  /// What was learned: figures of the fit, intercepts, and the coefficients that move most.
  func report(_ parameters: LogisticObjective.Parameters) -> Report {
    var report = Report(
      family: LogisticRegressionFamily.name,
      title: "logistic regression of \(configuration.table.target ?? ""), \(names.count) classes,"
        + " \(columns) columns, \(sampleCount) rows")
    report.fact("penalty", "penalty", .string(configuration.penalty.rawValue))
    if configuration.penalty != .none { report.fact("c", "c", .number(configuration.c)) }
    report.fact("converged", "converged", .bool(optimum.hasConverged))
    report.fact("loss", "log loss in training", .number(last.loss))
    report.fact(
      "accuracy", "accuracy in training", .number(Double(last.correct) / Double(sampleCount)))
    let zeros = parameters.coefficients.count { $0 == 0 }
    report.fact("zero_coefficients", "coefficients at 0", .integer(zeros))
    let errors = standardErrors()
    func cells(_ value: Double, _ error: Double?) -> [JSONValue] {
      guard let error, error > 0 else { return errors == nil ? [] : [.null, .null] }
      return [.number(error), .number(value / error)]
    }
    let heads = errors == nil ? [] : ["standard_error", "z"]
    let classes = logits == 1 ? [names.texts[1]] : names.texts
    report.table(
      "intercepts", "Intercepts", columns: ["class", "intercept"] + heads,
      rows: parameters.intercepts.enumerated().map { logit, value in
        [.string(classes[logit]), .number(value)] + cells(value, errors?.intercepts[logit])
      })
    // The largest by what a deviation of the column moves; the weights hold all.
    let features = encoding.names
    let effects = parameters.coefficients.enumerated().map { abs($1) * deviations[$0 % columns] }
    let order = effects.indices.sorted {
      effects[$0] != effects[$1] ? effects[$0] > effects[$1] : $0 < $1
    }
    report.table(
      "coefficients", "Coefficients with the largest effect",
      columns: ["class", "column", "coefficient"] + heads,
      rows: order.prefix(Self.reportedCoefficients).map { index in
        let value = parameters.coefficients[index]
        return [
          .string(classes[index / columns]), .string(features[index % columns]), .number(value),
        ] + cells(value, errors?.coefficients[index])
      })
    return report
  }

  /// nil where an l1 penalty leaves them without a meaning, or there are too many parameters.
  private func standardErrors() -> LogisticCovariance.Errors? {
    guard configuration.penalty != .l1 else { return nil }
    return LogisticCovariance(
      x: x, classes: names.count, means: means, fitsIntercept: configuration.fitIntercept,
      penaltyCurvature: configuration.penalty == .l2 ? 1 / configuration.c : 0, workers: workers,
      instructionSet: instructionSet
    ).errors { probabilities(of: x) }
  }
}
