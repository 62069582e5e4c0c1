// SPDX-License-Identifier: Apache-2.0

extension GridPage {
  /// The page with a sign in each cell: the action that a policy takes there, or the cell's mark.
  ///
  /// - Parameter sign: nil where nothing has been learned.
  func drawing(_ sign: (_ state: Int) -> Character?) -> String {
    let lines = (0..<rows).map { row in
      (0..<columns).map { column -> String in
        let state = states[row * columns + column]
        return String(marks[state] ?? sign(state) ?? "·")
      }.joined(separator: " ")
    }
    return (title.isEmpty ? [] : [title]).joined() + (title.isEmpty ? "" : "\n")
      + lines.joined(separator: "\n")
  }
}

/// What a table has learned, for people and for programs.
struct TabularReport {
  let family: String
  let values: ActionValues
  /// Of a built-in environment.
  let table: TransitionTable?
  let curve: LearningCurve
  let initialValue: Double

  /// Rows of the table that a report holds at most.
  private static let maxRows = 4096
  private static let maxTextRows = 64

  /// Whether anything has been learned in a state.
  private func isKnown(_ state: Int) -> Bool {
    let row = values.row(state)
    return (0..<values.actionCount).contains { row[$0] != initialValue }
  }

  private var names: [String] {
    table?.actions.map(\.name) ?? (0..<values.actionCount).map(String.init)
  }

  private func drawing(_ page: GridPage) -> String {
    page.drawing { state in
      isKnown(state) ? table?.actions[values.greedy(state)].symbol : nil
    }
  }

  /// `report.txt`.
  var text: String {
    var parts = [
      "\(family): \(values.stateCount) states, \(values.actionCount) actions"
        + (table.map {
          " (" + $0.actions.map { "\($0.symbol) \($0.name)" }.joined(separator: ", ") + ")"
        } ?? ""),
      "Learning curve\n" + curve.text,
    ]
    if let table {
      parts.append(
        "Greedy policy (· where nothing was learned)\n"
          + table.pages.map(drawing).joined(separator: "\n\n"))
    }
    var lines = ["Action values", "state".padded(8) + names.map { $0.padded(12) }.joined()]
    let known = (0..<values.stateCount).lazy.filter(isKnown).prefix(Self.maxTextRows)
    for state in known {
      let row = values.row(state)
      lines.append(
        "\(state)".padded(8) + names.indices.map { row[$0].short.padded(12) }.joined())
    }
    if values.stateCount > Self.maxTextRows {
      lines.append("the first \(Self.maxTextRows) learned states; report.json has more")
    }
    parts.append(lines.joined(separator: "\n"))
    return parts.joined(separator: "\n\n") + "\n"
  }

  /// `report.json`.
  var json: String {
    let count = min(values.stateCount, Self.maxRows)
    let rows = (0..<count).map { state in
      let row = values.row(state)
      return "[" + names.indices.map { "\(row[$0])" }.joined(separator: ",") + "]"
    }
    let policy = (0..<count).map { isKnown($0) ? "\(values.greedy($0))" : "null" }
    var members = [
      #""family":"\#(family)""#, #""states":\#(values.stateCount)"#,
      #""actions":[\#(names.map { "\"\($0)\"" }.joined(separator: ","))]"#,
      #""learning_curve":\#(curve.json)"#,
      #""policy":[\#(policy.joined(separator: ","))]"#,
      #""q_values":[\#(rows.joined(separator: ","))]"#,
    ]
    if let table {
      let grids = table.pages.map { page in
        let lines = drawing(page).split(separator: "\n").dropFirst(page.title.isEmpty ? 0 : 1)
        let cells = lines.map { "\"\($0)\"" }.joined(separator: ",")
        return #"{"title":"\#(page.title)","rows":[\#(cells)]}"#
      }
      members.append(#""policy_grids":[\#(grids.joined(separator: ","))]"#)
    }
    return "{" + members.joined(separator: ",") + "}"
  }
}
