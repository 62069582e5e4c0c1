// SPDX-License-Identifier: Apache-2.0

/// What a random forest is asked for.
struct RandomForestConfiguration: Sendable {
  /// How many columns a node draws.
  enum MaxFeatures: Sendable, Hashable {
    case squareRoot
    case logarithm
    case all
    case count(Int)
    case share(Double)
  }

  var settings: TreeSettings
  var trees: Int
  /// nil: the square root for a classification, all for a regression.
  var maxFeatures: MaxFeatures?
  var bootstrap: Bool
  var outOfBagScore: Bool

  init(_ json: JSONValue) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration",
      keys: TreeSettings.keys + ["trees", "max_features", "bootstrap", "out_of_bag_score"],
      list: list)
    settings = TreeSettings(fields, list: list)
    trees = fields.integer("trees", 1...10_000, default: 100)
    maxFeatures = fields.maxFeatures()
    bootstrap = fields.bool("bootstrap", default: true)
    outOfBagScore = fields.bool("out_of_bag_score", default: bootstrap)
    if outOfBagScore, !bootstrap {
      fields.refuse("out_of_bag_score", "without bootstrap no row is out of the bag")
    }
    try list.check()
  }

  /// Columns that a node draws, 1...`columns`.
  func columnsAtSplit(of columns: Int, task: TreeTask) -> Int {
    let count =
      switch maxFeatures ?? (task == .classification ? .squareRoot : .all) {
      case .squareRoot: Int(Double(columns).squareRoot())
      case .logarithm: Int(Logarithm.base2(Double(columns)))
      case .all: columns
      case .count(let count): count
      case .share(let share): Int(Double(columns) * share)
      }
    return min(max(count, 1), columns)
  }

  /// The JSON Schema (2020-12) of the configuration.
  static let schema = """
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "random-forest",
      "type": "object",
      "additionalProperties": false,
      "required": ["target"],
      "properties": {
        \(TableConfiguration.targetProperty),
        \(TableConfiguration.schemaProperties),
        \(TreeSettings.schemaProperties),
        "trees": {"type": "integer", "minimum": 1, "maximum": 10000, "default": 100},
        "max_features": {
          "description": "Columns a node draws: by default sqrt for a classification, else all.",
          "oneOf": [
            {"enum": ["sqrt", "log2", "all"]},
            {"type": "integer", "minimum": 1},
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
          ]
        },
        "bootstrap": {"type": "boolean", "default": true},
        "out_of_bag_score": {
          "type": "boolean", "description": "By default true with bootstrap."
        }
      },
      "$defs": \(TableConfiguration.schemaDefinitions)
    }
    """
}

extension FieldReader {
  /// `"sqrt"`, `"log2"`, `"all"`, a number of columns, or a share below 1.
  fileprivate func maxFeatures() -> RandomForestConfiguration.MaxFeatures? {
    switch self["max_features"] {
    case nil: return nil
    case .string("sqrt"): return .squareRoot
    case .string("log2"): return .logarithm
    case .string("all"): return .all
    case .number(_, let text) where (Int(text) ?? 0) >= 1: return Int(text).map { .count($0) }
    case .number(let share, let text) where Int(text) == nil && share > 0 && share < 1:
      return .share(share)
    case .some(let json):
      refuse(
        "max_features",
        "expected \"sqrt\", \"log2\", \"all\", an integer of 1 or more, or a number between 0 and"
          + " 1, came \(json.excerpt)")
      return nil
    }
  }
}
