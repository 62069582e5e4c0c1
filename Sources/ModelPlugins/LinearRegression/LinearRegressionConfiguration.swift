// SPDX-License-Identifier: Apache-2.0

/// What a linear regression is asked for.
struct LinearRegressionConfiguration: Sendable {
  /// What keeps coefficients small.
  enum Penalty: String, CaseIterable {
    case none, ridge, lasso
    case elasticNet = "elastic_net"
  }

  var table: TableConfiguration
  var scaling: InputScaling
  var penalty: Penalty
  var alpha: Double
  var l1Ratio: Double
  var fitIntercept: Bool
  var maxSweeps: Int
  var tolerance: Double

  init(_ json: JSONValue) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration",
      keys: TableConfiguration.supervisedKeys + [
        InputScaling.key, "penalty", "alpha", "l1_ratio", "fit_intercept", "max_sweeps",
        "tolerance",
      ], list: list)
    table = TableConfiguration(fields, supervised: true, list: list)
    scaling = InputScaling(fields, list: list)
    penalty = fields.choice("penalty", default: Penalty.none) ?? .none
    alpha = fields.number("alpha", "a number of 0 or more", default: 1) { $0 >= 0 }
    let ratio = fields.number("l1_ratio", "a number in 0...1", default: 0.5) {
      (0...1).contains($0)
    }
    l1Ratio = penalty == .lasso ? 1 : ratio
    fitIntercept = fields.bool("fit_intercept", default: true)
    maxSweeps = fields.integer("max_sweeps", 1...1_000_000, default: 1000)
    tolerance = fields.number("tolerance", "a number above 0", default: 1e-4) { $0 > 0 }
    if fields["alpha"] != nil, penalty == .none {
      fields.refuse("alpha", "expected a penalty beside it")
    }
    if fields["l1_ratio"] != nil, penalty != .elasticNet {
      fields.refuse("l1_ratio", "expected the penalty \"elastic_net\" beside it")
    }
    try list.check()
  }

  /// The JSON Schema (2020-12) of the configuration.
  static let schema = """
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "linear-regression",
      "type": "object",
      "additionalProperties": false,
      "required": ["target"],
      "properties": {
        \(TableConfiguration.targetProperty),
        \(TableConfiguration.schemaProperties),
        \(InputScaling.schemaProperty),
        "penalty": {
          "enum": ["none", "ridge", "lasso", "elastic_net"], "default": "none"
        },
        "alpha": {"type": "number", "minimum": 0, "default": 1},
        "l1_ratio": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
        "fit_intercept": {"type": "boolean", "default": true},
        "max_sweeps": {"type": "integer", "minimum": 1, "maximum": 1000000, "default": 1000},
        "tolerance": {"type": "number", "exclusiveMinimum": 0, "default": 0.0001}
      },
      "$defs": \(TableConfiguration.schemaDefinitions)
    }
    """
}
