// SPDX-License-Identifier: Apache-2.0

/// What gradient boosting is asked for.
struct GradientBoostingConfiguration: Sendable {
  /// When to stop before all rounds are done.
  struct EarlyStopping: Sendable, Hashable {
    /// Rounds without a lower loss on the validation rows.
    var rounds: Int
    /// The share of the training rows that is held back for validation.
    var validationFraction: Double
  }

  var table: TableConfiguration
  /// nil: by the target's type.
  var task: TreeTask?
  var rounds: Int
  var rules: BoostingRules
  var maxBins: Int
  /// The share of the rows that each round learns from.
  var rowSampling: Double
  /// The share of the columns that each tree may split.
  var featureSampling: Double
  var earlyStopping: EarlyStopping?

  init(_ json: JSONValue) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration",
      keys: TableConfiguration.supervisedKeys + [
        "task", "rounds", "learning_rate", "max_leaves", "max_depth", "min_samples_leaf",
        "min_hessian", "min_gain", "l2", "category_smoothing", "category_l2", "max_bins",
        "row_sampling", "feature_sampling", "early_stopping",
      ], list: list)
    table = TableConfiguration(fields, supervised: true, list: list)
    task = fields["task"] == nil ? nil : fields.choice("task", of: TreeTask.self)
    rounds = fields.integer("rounds", 1...100_000, default: 100)
    func number(_ key: String, default value: Double) -> Double {
      fields.number(key, "a number of 0 or more", default: value) { $0 >= 0 }
    }
    func share(_ key: String) -> Double {
      fields.number(key, "a number above 0 and at most 1", default: 1) { $0 > 0 && $0 <= 1 }
    }
    rules = BoostingRules()
    rules.learningRate = fields.number("learning_rate", "a number above 0", default: 0.1) {
      $0 > 0
    }
    rules.maxLeaves = fields.integer("max_leaves", 2...65_536, default: 31)
    rules.maxDepth = fields.integer(
      "max_depth", 1...GrowthRules.depthLimit, default: GrowthRules.depthLimit)
    rules.minSamplesLeaf = fields.integer("min_samples_leaf", 1...1_000_000_000, default: 20)
    rules.minHessian = number("min_hessian", default: 1e-3)
    rules.minGain = number("min_gain", default: 0)
    rules.l2 = number("l2", default: 0)
    rules.categorySmoothing = number("category_smoothing", default: 10)
    rules.categoryL2 = number("category_l2", default: 10)
    maxBins = fields.integer("max_bins", 2...ColumnBins.maxBins, default: ColumnBins.maxBins)
    rowSampling = share("row_sampling")
    featureSampling = share("feature_sampling")
    if let stopping = fields["early_stopping"] {
      let fields = FieldReader(
        stopping, path: fields.field("early_stopping"), keys: ["rounds", "validation_fraction"],
        list: list)
      earlyStopping = EarlyStopping(
        rounds: fields.integer("rounds", 1...100_000, default: 10),
        validationFraction: fields.number(
          "validation_fraction", "a number above 0 and below 1", default: 0.1
        ) { $0 > 0 && $0 < 1 })
    }
    try list.check()
  }

  /// The task for a data set.
  ///
  /// - Throws: `.invalidArgument` for a target that does not fit.
  func task(in description: DataSetDescription) throws(PluginError) -> TreeTask {
    let target = table.target ?? ""
    let task: TreeTask
    if let given = self.task {
      task = given
    } else {
      task = try .natural(for: target, in: description)
    }
    try task.check(target: target, in: description)
    return task
  }

  /// The JSON Schema (2020-12) of the configuration.
  static let schema = """
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "gradient-boosting",
      "type": "object",
      "additionalProperties": false,
      "required": ["target"],
      "properties": {
        \(TableConfiguration.targetProperty),
        \(TableConfiguration.schemaProperties),
        "task": {
          "enum": ["classification", "regression"],
          "description": "By default classification for integers and categories, else regression."
        },
        "rounds": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 100},
        "learning_rate": {"type": "number", "exclusiveMinimum": 0, "default": 0.1},
        "max_leaves": {"type": "integer", "minimum": 2, "maximum": 65536, "default": 31},
        "max_depth": {
          "type": "integer", "minimum": 1, "maximum": 4096, "description": "By default no limit."
        },
        "min_samples_leaf": {
          "type": "integer", "minimum": 1, "maximum": 1000000000, "default": 20
        },
        "min_hessian": {"type": "number", "minimum": 0, "default": 0.001},
        "min_gain": {"type": "number", "minimum": 0, "default": 0},
        "l2": {"type": "number", "minimum": 0, "default": 0},
        "category_smoothing": {"type": "number", "minimum": 0, "default": 10},
        "category_l2": {"type": "number", "minimum": 0, "default": 10},
        "max_bins": {"type": "integer", "minimum": 2, "maximum": 255, "default": 255},
        "row_sampling": {
          "type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 1
        },
        "feature_sampling": {
          "type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 1
        },
        "early_stopping": {
          "type": "object", "additionalProperties": false,
          "properties": {
            "rounds": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 10},
            "validation_fraction": {
              "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": 0.1
            }
          }
        }
      },
      "$defs": \(TableConfiguration.schemaDefinitions)
    }
    """
}
