// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

@Suite struct GradientBoostingTests {
  private static let tenRounds = """
    {"target":"y","rounds":10,"max_leaves":7,"min_samples_leaf":1,"min_hessian":4}
    """

  @Test(arguments: ["diabetes", "cancer", "wine"])
  func answersAreLightGBMs(name: String) throws {
    let golden = try TreeGolden()
    let data = try golden.data(name, features: "few_x")
    let run = try TreeRun("gradient-boosting", Self.tenRounds, data)
    let width = try golden.width("\(name)/few_x")
    var answers = try run.answers(try golden.floats("\(name)/few_x"), width: width)
    // LightGBM gives the probability of the second of two classes.
    if name == "cancer" { answers = stride(from: 1, to: answers.count, by: 2).map { answers[$0] } }
    // Targets of diabetes go up to 346.
    let tolerance = name == "diabetes" ? 2e-3 : 1e-4
    #expect(
      largestDifference(answers, try golden.floats("\(name)/boosting")) < tolerance)
  }

  @Test func missingValuesGoLightGBMsWay() throws {
    let golden = try TreeGolden()
    let data = try golden.data("cancer", features: "few_missing_x")
    let run = try TreeRun("gradient-boosting", Self.tenRounds, data)
    let answers = try run.answers(try golden.floats("cancer/few_missing_x"), width: 12)
    let ones = stride(from: 1, to: answers.count, by: 2).map { answers[$0] }
    #expect(largestDifference(ones, try golden.floats("cancer/boosting_missing")) < 1e-4)
  }

  @Test func theLossFallsRoundByRound() throws {
    let run = try TreeRun(
      "gradient-boosting", #"{"target":"y","rounds":8}"#, try TreeData.stripes(rows: 500))
    let losses = run.metrics.compactMap { $0["loss"] }
    #expect(losses.count == 8)
    #expect(zip(losses, losses.dropFirst()).allSatisfy { $0 > $1 })
  }

  @Test func trainingStopsWhenValidationNoLongerImproves() throws {
    let configuration = """
      {"target":"y","rounds":400,"learning_rate":0.5,"min_samples_leaf":2,
       "early_stopping":{"rounds":3,"validation_fraction":0.3}}
      """
    let run = try TreeRun("gradient-boosting", configuration, try TreeGolden().data("cancer"))
    let losses = run.metrics.compactMap { $0["validation_loss"] }
    #expect(losses.count < 400)
    let best = try #require(losses.indices.min { losses[$0] < losses[$1] })
    #expect(losses.count == best + 1 + 3)
    let weights = try #require(try run.exported()["weights.safetensors"])
    let roots = try weights.withUnsafeBytes {
      try TensorBundle(parsing: $0, name: "weights").values("roots", as: Int32.self)
    }
    #expect(roots.count == best + 1)
  }

  @Test(arguments: [
    #"{"target":"y","rounds":4}"#,
    #"{"target":"y","rounds":4,"row_sampling":0.6,"feature_sampling":0.5,"max_depth":3}"#,
    #"{"target":"x","rounds":4,"task":"regression","l2":1.5,"max_bins":20}"#,
    #"{"target":"y","rounds":4,"min_samples_leaf":3,"early_stopping":{"rounds":2}}"#,
  ])
  func theBitsAreTheSameAtAnyThreadCount(configuration: String) throws {
    let data = try TreeData.stripes(rows: 1500)
    let one = try TreeRun("gradient-boosting", configuration, data, threads: 1)
    let seven = try TreeRun("gradient-boosting", configuration, data, threads: 7)
    #expect(try one.exported() == seven.exported())
    #expect(one.metrics == seven.metrics)
  }

  @Test func aCheckpointGoesOnToTheSameBits() throws {
    let data = try TreeData.stripes(rows: 700)
    let configuration = #"{"target":"y","rounds":5,"row_sampling":0.7,"early_stopping":{}}"#
    let whole = try TreeRun("gradient-boosting", configuration, data)
    for epochs in [0, 1, 4, 5] {
      let part = try TreeRun("gradient-boosting", configuration, data, epochs: epochs)
      let resumed = try TreeRun(
        "gradient-boosting", configuration, data, threads: 1, restoring: try part.checkpoint())
      #expect(try resumed.exported() == whole.exported())
      #expect(part.metrics + resumed.metrics == whole.metrics)
    }
  }

  @Test func whatIsMeasuredIsWhatServingAnswers() throws {
    let golden = try TreeGolden()
    let run = try TreeRun("gradient-boosting", Self.tenRounds, try golden.data("wine"))
    let answers = try run.answers(try golden.floats("wine/x"), width: 13)
    let labels = try golden.integers("wine/y")
    var loss = 0.0
    for (row, label) in labels.enumerated() {
      loss -= Logarithm.natural(Double(answers[row * 3 + Int(label)]))
    }
    let measured = try #require(try run.evaluate()["loss"])
    #expect(abs(loss / Double(labels.count) - measured) < 1e-9)
    let trained = try #require(run.metrics.last?["loss"])
    #expect(abs(trained - measured) < 1e-5)
  }
}
