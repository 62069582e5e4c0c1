// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The part of a configuration that families of trees share.
struct TreeSettings: Sendable, Hashable {
  /// How candidates for a split are found.
  enum Splits: String, Sendable, Hashable, CaseIterable {
    /// Between at most `maxBins` bins of a column.
    case histogram
    /// Between any two values.
    case exact
  }

  /// What a split makes less of.
  enum Criterion: String, Sendable, Hashable, CaseIterable {
    case gini
    case entropy
    case squaredError = "squared_error"
  }

  /// How much a sample of a class counts.
  enum ClassWeight: Sendable, Hashable {
    case none
    /// rows / (classes · rows of the class).
    case balanced
    /// By the class's name.
    case given([String: Double])
  }

  var table: TableConfiguration
  /// nil: by the target's type.
  var task: TreeTask?
  var splits: Splits
  var maxBins: Int
  /// nil: gini or squared_error.
  var criterion: Criterion?
  var rules: GrowthRules
  var classWeight: ClassWeight

  static let keys =
    TableConfiguration.supervisedKeys + [
      "task", "splits", "max_bins", "criterion", "max_depth", "min_samples_split",
      "min_samples_leaf", "min_impurity_decrease", "class_weight",
    ]

  init(_ fields: FieldReader, list: ViolationList) {
    table = TableConfiguration(fields, supervised: true, list: list)
    task = fields["task"] == nil ? nil : fields.choice("task", of: TreeTask.self)
    splits = fields.choice("splits", default: Splits.histogram) ?? .histogram
    maxBins = fields.integer("max_bins", 2...ColumnBins.maxBins, default: ColumnBins.maxBins)
    criterion = fields["criterion"] == nil ? nil : fields.choice("criterion", of: Criterion.self)
    rules = GrowthRules()
    rules.maxDepth = fields.integer(
      "max_depth", 1...GrowthRules.depthLimit, default: GrowthRules.depthLimit)
    rules.minSamplesSplit = fields.integer("min_samples_split", 2...1_000_000_000, default: 2)
    rules.minSamplesLeaf = fields.integer("min_samples_leaf", 1...1_000_000_000, default: 1)
    rules.minImpurityDecrease = fields.number(
      "min_impurity_decrease", "a number of 0 or more", default: 0
    ) { $0 >= 0 }
    classWeight = fields.classWeight(list)
    if splits == .exact, fields["max_bins"] != nil {
      fields.refuse("max_bins", "exact splits have no bins")
    }
    if task == .regression, classWeight != .none {
      fields.refuse("class_weight", "a regression has no classes")
    }
    if let task, let criterion, (task == .regression) != (criterion == .squaredError) {
      fields.refuse(
        "criterion",
        task == .regression
          ? "expected \"squared_error\" for a regression, came \"\(criterion.rawValue)\""
          : "expected \"gini\" or \"entropy\" for a classification, came \"squared_error\"")
    }
  }

  /// The task for a data set.
  ///
  /// - Throws: `.invalidArgument` for a target that does not fit the task, the criterion or the
  ///   class weights.
  func task(in description: DataSetDescription) throws(PluginError) -> TreeTask {
    let target = table.target ?? ""
    let task: TreeTask
    if let given = self.task {
      task = given
    } else {
      task = try .natural(for: target, in: description)
    }
    try task.check(target: target, in: description)
    if let criterion, (task == .regression) != (criterion == .squaredError) {
      throw PluginError(
        field: "configuration.criterion",
        "\"\(criterion.rawValue)\" is no criterion of a \(task.rawValue), which column \(target)"
          + " asks for")
    }
    if task == .regression, classWeight != .none {
      throw PluginError(
        field: "configuration.class_weight",
        "a regression has no classes, and column \(target) asks for one")
    }
    return task
  }

  /// The properties of the shared fields, to be followed by a family's own.
  static let schemaProperties = ##"""
    "task": {
      "enum": ["classification", "regression"],
      "description": "By default classification for integers and categories, else regression."
    },
    "splits": {"enum": ["histogram", "exact"], "default": "histogram"},
    "max_bins": {"type": "integer", "minimum": 2, "maximum": 255, "default": 255},
    "criterion": {
      "enum": ["gini", "entropy", "squared_error"],
      "description": "By default gini for a classification, squared_error for a regression."
    },
    "max_depth": {
      "type": "integer", "minimum": 1, "maximum": 4096, "description": "By default no limit."
    },
    "min_samples_split": {"type": "integer", "minimum": 2, "maximum": 1000000000, "default": 2},
    "min_samples_leaf": {"type": "integer", "minimum": 1, "maximum": 1000000000, "default": 1},
    "min_impurity_decrease": {"type": "number", "minimum": 0, "default": 0},
    "class_weight": {
      "description": "none, balanced, or a weight for each class by its name.",
      "oneOf": [
        {"enum": ["none", "balanced"]},
        {"type": "object", "additionalProperties": {"type": "number", "exclusiveMinimum": 0}}
      ],
      "default": "none"
    }
    """##
}

extension FieldReader {
  /// `"none"`, `"balanced"`, or an object of weights.
  fileprivate func classWeight(_ list: ViolationList) -> TreeSettings.ClassWeight {
    switch self["class_weight"] {
    case nil, .string("none"): return .none
    case .string("balanced"): return .balanced
    case .object(let members):
      var weights: [String: Double] = [:]
      for member in members {
        guard case .number(let weight, _) = member.value, weight > 0, Float(weight).isFinite else {
          list.add(
            "\(field("class_weight")).\(member.key.prefix(64))",
            "expected a number above 0, came \(member.value.excerpt)")
          continue
        }
        weights[member.key] = weight
      }
      return .given(weights)
    case .some(let json):
      refuse(
        "class_weight",
        "expected \"none\", \"balanced\" or an object of weights, came \(json.excerpt)")
      return .none
    }
  }
}
