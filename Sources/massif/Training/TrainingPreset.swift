// SPDX-License-Identifier: Apache-2.0

/// A first run of a family: real data or a built-in environment, and settings that work on it.
struct TrainingPreset: Sendable {
  /// As `massif train --preset NAME` takes it.
  let name: String
  /// What it learns, in a line.
  let summary: String
  let plugin: String
  /// Where its files are and how they are made; nil where an environment takes their place.
  let data: PresetData?
  /// The plugin's configuration, a JSON object.
  let configuration: String

  /// Every preset, by name.
  static let all: [TrainingPreset] = (agents + networks + tables).sorted {
    $0.name < $1.name
  }

  /// The preset of that name.
  static func named(_ name: String) throws(CommandError) -> TrainingPreset {
    guard let preset = all.first(where: { $0.name == name }) else {
      throw CommandError(
        "--preset \(name)", expected: "one of \(all.map(\.name).joined(separator: ", "))",
        came: "another")
    }
    return preset
  }

  /// As `massif train --presets --output json` prints it.
  var json: JSONValue {
    [
      "name": .string(name), "summary": .string(summary), "plugin": .string(plugin),
      "data": data.map { .string($0.recipe) } ?? .null,
    ]
  }
}
