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
