// SPDX-License-Identifier: Apache-2.0

/// What a logistic regression is asked for.
struct LogisticRegressionConfiguration: Sendable {
  /// What keeps coefficients small.
  enum Penalty: String, CaseIterable {
    case none, l1, l2
  }

  var table: TableConfiguration
  var scaling: InputScaling
  var penalty: Penalty
  var c: Double
  var fitIntercept: Bool
  var maxIterations: Int
  var tolerance: Double

  init(_ json: JSONValue) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration",
      keys: TableConfiguration.supervisedKeys + [
        InputScaling.key, "penalty", "c", "fit_intercept", "max_iterations", "tolerance",
      ], list: list)
    table = TableConfiguration(fields, supervised: true, list: list)
    scaling = InputScaling(fields, list: list)
    penalty = fields.choice("penalty", default: Penalty.l2) ?? .l2
    c = fields.number("c", "a number above 0", default: 1) { $0 > 0 }
    fitIntercept = fields.bool("fit_intercept", default: true)
    maxIterations = fields.integer("max_iterations", 1...100_000, default: 100)
    tolerance = fields.number("tolerance", "a number above 0", default: 1e-4) { $0 > 0 }
    try list.check()
  }

  /// The JSON Schema (2020-12) of the configuration.
  static let schema = """
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "logistic-regression",
      "type": "object",
      "additionalProperties": false,
      "required": ["target"],
      "properties": {
        \(TableConfiguration.targetProperty),
        \(TableConfiguration.schemaProperties),
        \(InputScaling.schemaProperty),
        "penalty": {"enum": ["none", "l1", "l2"], "default": "l2"},
        "c": {
          "type": "number", "exclusiveMinimum": 0, "default": 1,
          "description": "Inverse strength of the penalty: c * sum of losses + penalty."
        },
        "fit_intercept": {"type": "boolean", "default": true},
        "max_iterations": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 100},
        "tolerance": {"type": "number", "exclusiveMinimum": 0, "default": 0.0001}
      },
      "$defs": \(TableConfiguration.schemaDefinitions)
    }
    """
}
