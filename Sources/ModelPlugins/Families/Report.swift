// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What a family says it learned: once as JSON for programs, once as text for people.
///
/// Facts, tables and blocks of text stand in both in the order in which they were added.
struct Report: Sendable {
  /// The artifact for programs.
  static let jsonName = "report.json"
  /// The artifact that `massif models describe` prints.
  static let textName = "report.txt"

  private var members: [JSONValue.Member]
  private var lines: [String]

  /// Begins a report.
  ///
  /// - Parameters:
  ///   - family: the plugin's name.
  ///   - title: the first line of the text.
  init(family: String, title: String) {
    members = [
      .init(key: "format", value: "massif.report/1"),
      .init(key: "family", value: .string(family)), .init(key: "title", value: .string(title)),
    ]
    lines = [title]
  }

  /// Adds one value: `key` in the JSON, a line `label  value` in the text.
  ///
  /// Labels of facts are padded to 24 columns.
  mutating func fact(_ key: String, _ label: String, _ value: JSONValue) {
    members.append(.init(key: key, value: value))
    let padding = String(repeating: " ", count: max(1, 24 - label.count))
    lines.append(label + padding + Self.text(value))
  }

  /// Adds a value to the JSON alone.
  mutating func data(_ key: String, _ value: JSONValue) {
    members.append(.init(key: key, value: value))
  }

  /// Adds a table: a list of objects in the JSON, aligned columns in the text.
  ///
  /// - Parameters:
  ///   - columns: the keys of the objects and the heads of the columns.
  ///   - rows: as many values as columns each.
  ///   - textLimit: rows that the text shows; the JSON has all.
  mutating func table(
    _ key: String, _ label: String, columns: [String], rows: [[JSONValue]], textLimit: Int = 40
  ) {
    members.append(
      .init(
        key: key,
        value: .array(
          rows.map { row in
            .object(zip(columns, row).map { JSONValue.Member(key: $0, value: $1) })
          })))
    lines += ["", label]
    let cells = [columns] + rows.prefix(textLimit).map { $0.map(Self.text) }
    let isNumber = columns.indices.map { column in
      rows.allSatisfy { row in
        if case .string = row[column] { false } else { true }
      }
    }
    let widths = columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
    for row in cells {
      let line = row.indices.map { column in
        let padding = String(repeating: " ", count: widths[column] - row[column].count)
        return isNumber[column] ? padding + row[column] : row[column] + padding
      }.joined(separator: "  ")
      lines.append("  " + line.trimmingEnd)
    }
    if rows.count > textLimit { lines.append("  … \(rows.count - textLimit) more in report.json") }
  }

  /// Adds text that is set already, such as a tree or a grid: a string in the JSON.
  mutating func block(_ key: String, _ label: String, _ text: String) {
    members.append(.init(key: key, value: .string(text)))
    lines +=
      ["", label] + text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// The report for programs.
  var json: JSONValue { .object(members) }

  /// The report for people, with a line feed at its end.
  var text: String { lines.joined(separator: "\n") + "\n" }

  /// A value as a person reads it: six digits of a number.
  static func text(_ value: JSONValue) -> String {
    switch value {
    case .string(let text): text
    case .number(let number, let text):
      text.contains(".") || text.contains("e")
        ? shortened(number) : text
    case .array(let elements): elements.map(Self.text).joined(separator: ", ")
    case .null: "-"
    case .bool, .object: value.text
    }
  }

  /// A number in at most `digits` significant digits, as C's `%g` writes it.
  static func shortened(_ value: Double, digits: Int = 6) -> String {
    var buffer = [CChar](repeating: 0, count: 64)
    let count = withVaList([Int32(digits), value]) { vsnprintf(&buffer, buffer.count, "%.*g", $0) }
    return String(decoding: buffer.prefix(Int(max(0, count))).map(UInt8.init), as: UTF8.self)
  }
}

extension String {
  /// Without the spaces at its end.
  fileprivate var trimmingEnd: String {
    String(reversed().drop { $0 == " " }.reversed())
  }
}
