// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser

/// Whom a command writes for.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// People.
  case text
  /// Programs: one JSON document, or one on each line where a command follows something.
  case json

  /// Writes a document in the chosen form.
  func show(_ json: JSONValue, text: () -> [String]) {
    switch self {
    case .json: Console.print(json.text)
    case .text: for line in text() { Console.print(line) }
    }
  }
}
