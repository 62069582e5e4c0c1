// SPDX-License-Identifier: Apache-2.0

/// What a table has learned: the learning curve, the greedy policy on its grid, the values.
struct TabularReport {
  let family: String
  let values: ActionValues
  /// Of a built-in environment.
  let table: TransitionTable?
  let curve: LearningCurve
  let initialValue: Double

  /// Rows of the table that a report holds at most; `weights.safetensors` has all.
  private static let maxRows = 4096

  /// The artifacts `report.json` and `report.txt`.
  var report: Report {
    var report = Report(
      family: family,
      title: "\(family): \(values.stateCount) states, \(values.actionCount) actions")
    if let table {
      report.fact(
        "actions", "actions",
        .array(table.actions.map { .string("\($0.symbol) \($0.name)") }))
    }
    report.add(curve)
    if let table {
      report.block(
        "policy", "Greedy policy (· where nothing was learned)",
        table.pages.map(drawing).joined(separator: "\n\n"))
    }
    let names = table?.actions.map(\.name) ?? (0..<values.actionCount).map(String.init)
    let known = (0..<values.stateCount).lazy.filter(isKnown).prefix(Self.maxRows)
    report.table(
      "q_values", "Action values of the states that were seen",
      columns: ["state"] + names + ["greedy"],
      rows: known.map { state in
        let row = values.row(state)
        return [.integer(state)] + names.indices.map { .number(row[$0]) }
          + [.string(names[values.greedy(state)])]
      })
    return report
  }

  /// Whether anything has been learned in a state.
  private func isKnown(_ state: Int) -> Bool {
    let row = values.row(state)
    return (0..<values.actionCount).contains { row[$0] != initialValue }
  }

  private func drawing(_ page: GridPage) -> String {
    page.drawing { state in
      isKnown(state) ? table?.actions[values.greedy(state)].symbol : nil
    }
  }
}

extension Report {
  /// Adds a learning curve: a row for each epoch.
  mutating func add(_ curve: LearningCurve) {
    if let last = curve.points.last {
      fact("mean_return", "mean return", .number(last.meanReturn))
      fact(
        "evaluation_mean_return", "of greedy episodes",
        last.evaluation.map { .number($0) } ?? .null)
    }
    table(
      "learning_curve", "Learning curve",
      columns: ["epoch", "mean_return", "mean_steps", "exploration", "evaluation_mean_return"],
      rows: curve.points.enumerated().map { index, point in
        [
          .integer(index + 1), .number(point.meanReturn), .number(point.meanSteps),
          .number(point.exploration), point.evaluation.map { .number($0) } ?? .null,
        ]
      }, textLimit: 25)
  }
}
