// SPDX-License-Identifier: Apache-2.0

/// What a decision tree is asked for.
struct DecisionTreeConfiguration: Sendable {
  var settings: TreeSettings
  /// The α of cost-complexity pruning; 0: no pruning.
  var pruningAlpha: Double

  init(_ json: JSONValue) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration", keys: TreeSettings.keys + ["pruning_alpha"], list: list)
    settings = TreeSettings(fields, list: list)
    pruningAlpha = fields.number("pruning_alpha", "a number of 0 or more", default: 0) { $0 >= 0 }
    try list.check()
  }

  /// The JSON Schema (2020-12) of the configuration.
  static let schema = """
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "decision-tree",
      "type": "object",
      "additionalProperties": false,
      "required": ["target"],
      "properties": {
        \(TableConfiguration.targetProperty),
        \(TableConfiguration.schemaProperties),
        \(TreeSettings.schemaProperties),
        "pruning_alpha": {"type": "number", "minimum": 0, "default": 0}
      },
      "$defs": \(TableConfiguration.schemaDefinitions)
    }
    """
}
