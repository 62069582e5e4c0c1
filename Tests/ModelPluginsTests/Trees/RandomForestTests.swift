// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

@Suite struct RandomForestTests {
  @Test func theOutOfBagAccuracyIsScikitLearns() throws {
    let golden = try TreeGolden()
    let scores = try golden.floats("cancer/forest_oob")
    let run = try TreeRun(
      "random-forest", #"{"target":"y","trees":100,"splits":"exact"}"#, try golden.data("cancer"))
    let accuracy = Float(try #require(run.metrics.last?["out_of_bag_accuracy"]))
    // Within the spread of scikit-learn's ten seeds, and a little more: three rows of 569.
    let spread = (try #require(scores.min()) - 0.006)...(try #require(scores.max()) + 0.006)
    #expect(spread.contains(accuracy))
  }

  @Test func theOutOfBagR2IsScikitLearns() throws {
    let golden = try TreeGolden()
    let scores = try golden.floats("diabetes/forest_oob")
    let run = try TreeRun("random-forest", #"{"target":"y"}"#, try golden.data("diabetes"))
    let r2 = Float(try #require(run.metrics.last?["out_of_bag_r2"]))
    let spread = (try #require(scores.min()) - 0.02)...(try #require(scores.max()) + 0.02)
    #expect(spread.contains(r2))
  }

  @Test func anIterationIsSomeTrees() throws {
    let run = try TreeRun(
      "random-forest", #"{"target":"y","trees":20,"max_features":0.5}"#,
      try TreeGolden().data("wine"))
    #expect(run.metrics.map { $0["trees"] } == [16, 20])
  }

  @Test func answersAreTheMeanOfTheTrees() throws {
    let golden = try TreeGolden()
    let data = try golden.data("wine")
    let run = try TreeRun("random-forest", #"{"target":"y","trees":10}"#, data)
    let answers = try run.answers(try golden.floats("wine/x"), width: 13)
    for row in 0..<(answers.count / 3) {
      #expect(abs(answers[(row * 3)..<(row * 3 + 3)].reduce(0, +) - 1) < 1e-6)
    }
    #expect(try #require(try run.evaluate()["accuracy"]) > 0.99)
  }

  @Test(arguments: [
    #"{"target":"y","trees":6,"max_features":2}"#,
    #"{"target":"y","trees":6,"class_weight":{"1":2.5},"criterion":"entropy"}"#,
    #"{"target":"x","trees":6,"task":"regression","min_samples_leaf":3,"max_features":1}"#,
    #"{"target":"y","trees":3,"bootstrap":false,"max_depth":5}"#,
  ])
  func theBitsAreTheSameAtAnyThreadCount(configuration: String) throws {
    let data = try TreeData.stripes(rows: 800)
    let one = try TreeRun("random-forest", configuration, data, threads: 1).exported()
    #expect(try TreeRun("random-forest", configuration, data, threads: 7).exported() == one)
    #expect(
      try TreeRun("random-forest", configuration, data, seed: 2, threads: 2).exported()[
        "weights.safetensors"] != one["weights.safetensors"])
  }

  @Test func aCheckpointGoesOnToTheSameBits() throws {
    let data = try TreeData.stripes(rows: 300)
    let configuration = #"{"target":"y","trees":40}"#
    let whole = try TreeRun("random-forest", configuration, data)
    #expect(whole.metrics.count == 3)
    for epochs in [0, 1, 2, 3] {
      let part = try TreeRun("random-forest", configuration, data, epochs: epochs)
      let resumed = try TreeRun(
        "random-forest", configuration, data, threads: 1, restoring: try part.checkpoint())
      #expect(try resumed.exported() == whole.exported())
    }
  }
}
