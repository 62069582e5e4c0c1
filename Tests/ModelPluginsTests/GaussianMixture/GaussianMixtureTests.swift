// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

struct GaussianMixtureTests {
  private let name = "gaussian-mixture"

  @Test("The likelihood is scikit-learn's", arguments: ["full", "tied", "diag", "spherical"])
  func likelihood(_ covariance: String) throws {
    let golden = try FamilyGolden("clusters")
    let expected = try golden.scalar("mixture_\(covariance)")
    // Of a few starts, as the reference began at the best clusters.
    var best = -Double.infinity
    for seed in 0..<3 {
      let (trainer, artifacts) = try FamilyChecks.fit(
        name,
        #"{"components":3,"covariance":"\#(covariance)","tolerance":1e-7,"max_iterations":400}"#,
        golden.features(), seed: UInt64(seed))
      let value = try FamilyChecks.value("log_likelihood", trainer.evaluate(split: "train"))
      best = max(best, value)
      let rows = try golden.values("x", as: Float.self)
      let execution = try FamilyChecks.answer(name, artifacts, Array(rows[0..<4]), count: 1)
      #expect(abs(execution.output(1).floats.reduce(0, +) - 1) < 1e-5)
    }
    #expect(best > expected - 1e-3)
  }

  @Test("The same bits at any number of threads, and resumed after every iteration")
  func sameBits() throws {
    try FamilyChecks.expectSameBits(
      name, #"{"components":2,"max_iterations":4}"#, FamilyGolden("clusters").features())
  }

  @Test("More components than rows are refused; a constant column needs regularization")
  func refusals() throws {
    var data = TableData()
    data.add("train/a", [1, 2, 3] as [Float])
    data.add("train/b", [1, 1, 1] as [Float])
    let view = try data.view()
    let plugin = try FamilyChecks.plugin(name)
    #expect(
      pluginError {
        _ = try plugin.makeTrainer(
          configuration: #"{"components":4}"#, seed: 0, dataset: view)
      }?.violations.first?.field == "configuration.components")
    let trainer = try plugin.makeTrainer(
      configuration: #"{"regularization":0}"#, seed: 0, dataset: view)
    #expect(pluginError { try FamilyChecks.train(trainer) }?.code == .aborted)
  }
}
