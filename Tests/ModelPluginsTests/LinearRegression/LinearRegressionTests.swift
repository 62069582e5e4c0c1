// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

struct LinearRegressionTests {
  private let name = "linear-regression"

  private func weights(_ artifacts: ArtifactStore) throws -> TensorBundle {
    let box = ByteBox(try #require(artifacts.contents["weights.safetensors"]))
    return try TensorBundle(parsing: box.bytes, name: "weights")
  }

  @Test(
    "Coefficients are scikit-learn's",
    arguments: [
      ("none", "{}"), ("ridge", #"{"penalty":"ridge","alpha":0.5}"#),
      ("lasso", #"{"penalty":"lasso","alpha":0.5,"tolerance":1e-12,"max_sweeps":100000}"#),
      (
        "elastic_net",
        #"{"penalty":"elastic_net","alpha":0.5,"l1_ratio":0.3,"tolerance":1e-12,"max_sweeps":100000}"#
      ),
    ])
  func coefficients(_ penalty: String, _ options: String) throws {
    let golden = try FamilyGolden("linear")
    let configuration = #"{"target":"y""# + (options == "{}" ? "}" : "," + options.dropFirst())
    let (trainer, artifacts) = try FamilyChecks.fit(
      name, configuration, golden.dataset(target: Float.self))
    let weights = try weights(artifacts)
    let expected = try golden.values("\(penalty)_coefficients", as: Double.self)
    #expect(largestDifference(try weights.values("coefficients"), expected) < 1e-5)
    #expect(
      abs(
        try weights.values("intercept", as: Double.self)[0]
          - golden.scalar("\(penalty)_intercept")) < 1e-3)
    if penalty == "none" {
      #expect(
        abs(try FamilyChecks.value("r2", trainer.evaluate(split: "test")) - golden.scalar("r2"))
          < 1e-6)
    }
  }

  @Test("Standard errors are those of the definition, and the report has them")
  func standardErrors() throws {
    let golden = try FamilyGolden("linear")
    let (_, artifacts) = try FamilyChecks.fit(
      name, #"{"target":"y"}"#, golden.dataset(target: Float.self))
    let report = try FamilyChecks.report(artifacts)
    guard case .array(let rows)? = report["coefficients"] else {
      Issue.record("no coefficients")
      return
    }
    let errors = rows.compactMap { row -> Double? in
      if case .number(let value, _)? = row["standard_error"] { value } else { nil }
    }
    let expected = try golden.values("standard_errors", as: Double.self)
    #expect(errors.count == expected.count)
    for (error, reference) in zip(errors, expected) {
      #expect(abs(error - reference) <= 1e-6 * reference)
    }
  }

  @Test("Named columns, categories and all: predicts over one input for each column")
  func namedColumns() throws {
    var data = TableData()
    let sizes = (0..<40).map { Float($0 % 7) }
    let colours = (0..<40).map { ["red", "green", "blue"][$0 % 3] }
    let effect: [String: Float] = ["red": 5, "green": -1, "blue": 0]
    data.add("train/size", sizes)
    data.add("train/colour", categories: colours)
    data.add("train/price", zip(sizes, colours).map { 2 * $0 + (effect[$1] ?? 0) + 1 })
    let view = try data.view()
    let (_, artifacts) = try FamilyChecks.fit(name, #"{"target":"price"}"#, view)
    let model = try FamilyChecks.plugin(name).makeModel(
      artifacts: artifacts.artifacts, configuration: "{}")
    #expect(
      model.inputs == [
        TensorSpecification(name: "size", datatype: .fp32, shape: [1]),
        TensorSpecification(name: "colour", datatype: .bytes, shape: [1]),
      ])
    let execution = model.makeExecution()
    execution.batchSize = 2
    let numbers = ByteBox([Float(3), 10].withUnsafeBytes { Array($0) })
    let texts = ByteBox([3, 0, 0, 0] + Array("red".utf8) + [7, 0, 0, 0] + Array("unknown".utf8))
    execution.setInput(
      0, datatype: .fp32, shape: [2, 1], bytes: numbers.bytes, owner: numbers)
    execution.setInput(1, datatype: .bytes, shape: [2, 1], bytes: texts.bytes, owner: texts)
    try model.execute(execution)
    let answers = execution.output(0).floats
    #expect(abs(answers[0] - 12) < 1e-4)
    // An unknown category counts as the first, blue.
    #expect(abs(answers[1] - 21) < 1e-4)
  }

  @Test("Columns that are constant or depend on others get 0, and are named")
  func dependentColumns() throws {
    var data = TableData()
    let a = (0..<20).map { Float($0) }
    data.add("train/a", a)
    data.add("train/constant", [Float](repeating: 3, count: 20))
    data.add("train/twice", a.map { 2 * $0 })
    data.add("train/y", a.map { 3 * $0 + 1 })
    let (_, artifacts) = try FamilyChecks.fit(name, #"{"target":"y"}"#, data.view())
    let coefficients = try weights(artifacts).values("coefficients", as: Double.self)
    #expect(largestDifference(coefficients, [3, 0, 0]) < 1e-9)
    #expect(try FamilyChecks.report(artifacts)["dependent"] == ["constant", "twice"])
  }

  @Test("The same bits at any number of threads, and resumed")
  func sameBits() throws {
    let dataset = try FamilyGolden("linear").dataset(target: Float.self)
    try FamilyChecks.expectSameBits(name, #"{"target":"y"}"#, dataset)
    try FamilyChecks.expectSameBits(
      name, #"{"target":"y","penalty":"lasso","alpha":0.1}"#, dataset)
  }

  @Test(
    "A configuration that is wrong is refused by its field",
    arguments: [
      ("{}", "configuration.target"), (#"{"target":3}"#, "configuration.target"),
      (#"{"target":"y","alpha":1}"#, "configuration.alpha"),
      (#"{"target":"y","penalty":"ridge","alpha":-1}"#, "configuration.alpha"),
      (#"{"target":"y","penalty":"lasso","l1_ratio":0.5}"#, "configuration.l1_ratio"),
      (#"{"target":"y","degree":2}"#, "configuration.degree"),
      (#"{"target":"y","features":[]}"#, "configuration.features"),
    ])
  func badConfigurations(_ configuration: String, _ field: String) throws {
    let plugin = try FamilyChecks.plugin(name)
    let error = pluginError { try plugin.validate(configuration: configuration, dataset: nil) }
    #expect(error?.violations.map(\.field) == [field])
  }

  @Test("Data that no line goes through are refused by their column")
  func badData() throws {
    func refusal(_ add: (inout TableData) -> Void) throws -> PluginError? {
      var data = TableData()
      add(&data)
      let view = try data.view()
      return pluginError {
        _ = try FamilyChecks.plugin(name).makeTrainer(
          configuration: #"{"target":"y"}"#, seed: 0, dataset: view)
      }
    }
    let nan = try refusal {
      $0.add("train/a", [1, .nan] as [Float])
      $0.add("train/y", [1, 2] as [Float])
    }
    #expect(nan?.message.contains("column a, came a missing value in row 1") == true)
    let infinite = try refusal {
      $0.add("train/a", [1, 2] as [Float])
      $0.add("train/y", [1, .infinity] as [Float])
    }
    #expect(infinite?.message.contains("column y, came inf in row 1") == true)
    let empty = try refusal {
      $0.add("train/a", [] as [Float])
      $0.add("train/y", [] as [Float])
    }
    #expect(empty?.code == .failedPrecondition)
    let alone = try refusal { $0.add("train/y", [1, 2] as [Float]) }
    #expect(alone?.violations.first?.field == "configuration.features")
  }
}
