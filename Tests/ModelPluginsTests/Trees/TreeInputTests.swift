// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

/// Configurations and data that trees refuse, and the field that they name.
@Suite struct TreeInputTests {
  static let families = ["decision-tree", "random-forest", "gradient-boosting"]

  /// A family, a configuration, and the field that is wrong in it.
  static let refused: [(String, String, String)] = [
    ("decision-tree", #"{}"#, "configuration.target"),
    ("decision-tree", #"{"target":"y","max_depth":0}"#, "configuration.max_depth"),
    ("decision-tree", #"{"target":"y","max_bins":256}"#, "configuration.max_bins"),
    ("decision-tree", #"{"target":"y","splits":"exact","max_bins":9}"#, "configuration.max_bins"),
    ("decision-tree", #"{"target":"y","criterion":"gain"}"#, "configuration.criterion"),
    ("decision-tree", #"{"target":"y","criterion":"squared_error"}"#, "configuration.criterion"),
    (
      "decision-tree", #"{"target":"y","task":"regression","class_weight":"balanced"}"#,
      "configuration.class_weight"
    ),
    ("decision-tree", #"{"target":"y","class_weight":{"7":2}}"#, "configuration.class_weight.7"),
    ("decision-tree", #"{"target":"y","class_weight":{"1":0}}"#, "configuration.class_weight.1"),
    ("decision-tree", #"{"target":"y","pruning_alpha":-1}"#, "configuration.pruning_alpha"),
    ("decision-tree", #"{"target":"y","trees":3}"#, "configuration.trees"),
    ("decision-tree", #"{"target":"z"}"#, "configuration.target"),
    ("random-forest", #"{"target":"y","trees":0}"#, "configuration.trees"),
    ("random-forest", #"{"target":"y","max_features":0}"#, "configuration.max_features"),
    ("random-forest", #"{"target":"y","max_features":"half"}"#, "configuration.max_features"),
    (
      "random-forest", #"{"target":"y","bootstrap":false,"out_of_bag_score":true}"#,
      "configuration.out_of_bag_score"
    ),
    ("gradient-boosting", #"{"target":"y","learning_rate":0}"#, "configuration.learning_rate"),
    ("gradient-boosting", #"{"target":"y","max_leaves":1}"#, "configuration.max_leaves"),
    ("gradient-boosting", #"{"target":"y","row_sampling":0}"#, "configuration.row_sampling"),
    ("gradient-boosting", #"{"target":"y","l2":-1}"#, "configuration.l2"),
    (
      "gradient-boosting", #"{"target":"y","early_stopping":{"validation_fraction":1}}"#,
      "configuration.early_stopping.validation_fraction"
    ),
  ]

  @Test(arguments: refused)
  func aConfigurationIsRefusedByItsField(
    family: String, configuration: String, field: String
  ) throws {
    var data = TableData()
    data.add("train/x", (0..<20).map { Float($0) })
    data.add("train/y", (0..<20).map { Int32($0 % 2) })
    let view = try data.view()
    let error = failure { _ = try TreeRun(family, configuration, view, epochs: 0) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.violations.map(\.field).contains(field) == true, "\(String(describing: error))")
  }

  @Test(arguments: families)
  func dataThatNothingCanBeLearnedFromIsRefused(family: String) throws {
    func error(_ x: [Float], _ y: [Int32], categories: Int = 0) -> PluginError? {
      failure {
        var data = TableData()
        data.add("train/x", x)
        data.add("train/y", y)
        if categories > 0 {
          let names = (0..<categories).map { "c\($0)" }
          data.add(
            "train/c", categories: y.indices.map { names[$0 % categories] }, dictionary: names)
        }
        _ = try TreeRun(family, #"{"target":"y"}"#, try data.view(), epochs: 0)
      }
    }
    let numbers = (0..<40).map { Float($0) }
    let labels = (0..<40).map { Int32($0 % 2) }
    #expect(error(numbers, labels) == nil)
    #expect(error([], [])?.code == .failedPrecondition)
    #expect(
      error(numbers, labels.map { _ in 1 })?.violations.first?.field == "configuration.target")
    #expect(
      error(numbers.map { _ in 3 }, labels)?.violations.first?.field == "configuration.features")
    #expect(
      error(numbers.map { _ in .nan }, labels)?.violations.first?.field
        == "configuration.features")
    var infinite = numbers
    infinite[7] = -.infinity
    let refused = error(infinite, labels)
    #expect(refused?.violations.first?.field == #"dataset["x"]"#)
    #expect(refused?.message.contains("row 7") == true)
    #expect(
      error(numbers, labels, categories: 300)?.violations.first?.field == "configuration.features")
  }

  @Test(arguments: families)
  func theSchemaIsJSONAndKnowsWhatTheReaderKnows(family: String) throws {
    let registry = try TestRegistry()
    try registry.registry.registerBuiltIns()
    let plugin = try #require(registry.registry.plugin(named: family))
    let schema = try JSONValue(parsing: plugin.configurationSchema, name: "schema")
    guard case .object(let properties)? = schema["properties"] else {
      Issue.record("the schema has no properties")
      return
    }
    let error = failure {
      try plugin.validate(configuration: #"{"target":"y","unknown":1}"#, dataset: nil)
    }
    // The message lists what is known, in the reader's order.
    let known = try #require(error?.message.split(separator: "known are ").last)
      .split(separator: ", ").map(String.init)
    #expect(Set(known) == Set(properties.map(\.key)))
  }

  @Test(arguments: families)
  func serverInputsOfNamedColumns(family: String) throws {
    let run = try TreeRun(family, #"{"target":"y"}"#, try TreeData.stripes(rows: 200))
    let artifacts = try run.exported().map { Artifact(name: $0.key, copying: $0.value) }
    let model = try run.plugin.makeModel(artifacts: artifacts, configuration: "{}")
    #expect(model.inputs.map(\.name) == ["u", "v", "w", "x"])
    #expect(model.inputs.map(\.datatype) == [.fp32, .int64, .bytes, .fp32])
    #expect(model.outputs.map(\.name) == ["probabilities", "label"])
  }
}
