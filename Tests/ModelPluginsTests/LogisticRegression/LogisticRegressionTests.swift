// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

struct LogisticRegressionTests {
  private let name = "logistic-regression"

  private func weights(_ artifacts: ArtifactStore) throws -> (coefficients: [Double], [Double]) {
    let box = ByteBox(try #require(artifacts.contents["weights.safetensors"]))
    let bundle = try TensorBundle(parsing: box.bytes, name: "weights")
    return (
      try bundle.values("coefficients", as: Float.self).map(Double.init),
      try bundle.values("intercepts", as: Float.self).map(Double.init)
    )
  }

  @Test("Coefficients, loss and ranking are scikit-learn's", arguments: ["cancer", "wine"])
  func coefficients(_ data: String) throws {
    let golden = try FamilyGolden("logistic-\(data)")
    let (trainer, artifacts) = try FamilyChecks.fit(
      name, #"{"target":"y","max_iterations":1000,"tolerance":1e-6}"#,
      golden.dataset(target: Int32.self))
    #expect(trainer.completedEpochs < 1000)
    let (coefficients, intercepts) = try weights(artifacts)
    #expect(
      largestDifference(coefficients, try golden.values("l2_coefficients")) < 2e-3)
    #expect(largestDifference(intercepts, try golden.values("l2_intercepts")) < 2e-3)
    let metrics = try trainer.evaluate(split: "test")
    #expect(
      abs(try FamilyChecks.value("loss", metrics) - golden.scalar("l2_loss")) < 1e-5)
    #expect(
      abs(try FamilyChecks.value("accuracy", metrics) - golden.scalar("l2_accuracy")) < 1e-9)
    // Of three classes the mean of each against the rest.
    for key in ["roc_auc", "average_precision"] {
      #expect(abs(try FamilyChecks.value(key, metrics) - golden.scalar(key)) < 1e-5)
    }
  }

  @Test("An l1 penalty leaves the same coefficients at 0 as scikit-learn's", arguments: ["cancer"])
  func l1(_ data: String) throws {
    let golden = try FamilyGolden("logistic-\(data)")
    let (_, artifacts) = try FamilyChecks.fit(
      name, #"{"target":"y","penalty":"l1","c":0.5,"max_iterations":2000,"tolerance":1e-6}"#,
      golden.dataset(target: Int32.self))
    let (coefficients, _) = try weights(artifacts)
    let expected: [Double] = try golden.values("l1_coefficients")
    #expect(largestDifference(coefficients, expected) < 5e-3)
    for (own, reference) in zip(coefficients, expected)
    where abs(reference) > 1e-2 || reference == 0 {
      #expect((own == 0) == (reference == 0))
    }
  }

  @Test("Serves probabilities and labels, as they were in the data")
  func serves() throws {
    var data = TableData()
    data.add("train/x", (0..<30).map { Float($0) })
    data.add("train/y", categories: (0..<30).map { $0 < 15 ? "low" : "very high" })
    let (_, artifacts) = try FamilyChecks.fit(name, #"{"target":"y"}"#, data.view())
    let execution = try FamilyChecks.answer(name, artifacts, [0, 29, 14.5], count: 3)
    let probabilities = execution.output(0).floats
    #expect(probabilities[0] > 0.9 && probabilities[3] > 0.9)
    #expect(abs(probabilities[4] - 0.5) < 1e-3)
    let label = execution.output(1)
    #expect(label.datatype == .bytes)
    #expect(
      Array(label.bytes.prefix(20))
        == [3, 0, 0, 0] + Array("low".utf8) + [9, 0, 0, 0] + Array("very high".utf8))
  }

  @Test("The same bits at any number of threads, and resumed after every iteration")
  func sameBits() throws {
    let dataset = try FamilyGolden("logistic-wine").dataset(target: Int32.self)
    try FamilyChecks.expectSameBits(
      name, #"{"target":"y","max_iterations":6}"#, dataset)
    try FamilyChecks.expectSameBits(
      name, #"{"target":"y","max_iterations":5,"penalty":"l1"}"#, dataset)
  }

  @Test("One class only, labels that training did not have, and cancelled runs")
  func refusals() throws {
    var data = TableData()
    data.add("train/x", [1, 2, 3] as [Float])
    data.add("train/same", [1, 1, 1] as [Int32])
    data.add("train/y", [0, 1, 0] as [Int32])
    data.add("test/x", [1] as [Float])
    data.add("test/same", [1] as [Int32])
    data.add("test/y", [2] as [Int32])
    let view = try data.view()
    let plugin = try FamilyChecks.plugin(name)
    let same = pluginError {
      _ = try plugin.makeTrainer(configuration: #"{"target":"same"}"#, seed: 0, dataset: view)
    }
    #expect(same?.violations.first?.field == "configuration.target")
    #expect(same?.message.contains("column same") == true)
    let trainer = try plugin.makeTrainer(
      configuration: #"{"target":"y","features":["x"]}"#, seed: 0, dataset: view)
    #expect(
      pluginError { _ = try trainer.trainEpoch(1, isCancelled: { true }) { _ in true } }?.code
        == .cancelled)
    _ = try trainer.trainEpoch(1) { _ in true }
    #expect(
      pluginError { _ = try trainer.evaluate(split: "test") }?.message.contains("label 2") == true)
    #expect(pluginError { _ = try trainer.evaluate(split: "more") }?.code == .notFound)
  }
}
