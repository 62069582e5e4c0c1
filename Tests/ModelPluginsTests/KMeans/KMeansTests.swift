// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

struct KMeansTests {
  private let name = "k-means"

  @Test("Inertia and silhouette are as good as scikit-learn's best of 50 starts")
  func iris() throws {
    let golden = try FamilyGolden("clusters")
    // Some starts end in the second-best minimum.
    var best = Double.infinity
    var artifacts = ArtifactStore()
    for seed in 0..<4 {
      let (trainer, store) = try FamilyChecks.fit(
        name, #"{"clusters":3,"tolerance":0}"#, golden.features(), seed: UInt64(seed))
      let inertia = try FamilyChecks.value("inertia", trainer.evaluate(split: "train"))
      if inertia < best { (best, artifacts) = (inertia, store) }
    }
    // Two minima lie closer together than this: 78.851 and 78.856.
    #expect(best < (try golden.scalar("kmeans_inertia")) * (1 + 1e-4))
    let report = try FamilyChecks.report(artifacts)
    if case .number(let silhouette, _)? = report["silhouette"] {
      #expect(abs(silhouette - (try golden.scalar("kmeans_silhouette"))) < 1e-2)
    } else {
      Issue.record("no silhouette")
    }
    let rows = try golden.values("x", as: Float.self)
    let execution = try FamilyChecks.answer(name, artifacts, Array(rows[0..<8]), count: 2)
    #expect(execution.output(0).bytes.count == 8)
    #expect(execution.output(1).floats.allSatisfy { $0 > 0 && $0 < 1 })
  }

  @Test("Rows that bounds pass over are where a full search would put them")
  func bounds() throws {
    let random = Philox(key: 3, stream: 0)
    var data = TableData()
    data.add(
      "train/x", (0..<600 * 5).map { Float(random.integer(at: UInt64($0), below: 1000)) / 100 },
      row: [5])
    let view = try data.view()
    let (trainer, store) = try FamilyChecks.fit(name, #"{"clusters":7}"#, view)
    #expect(trainer.completedEpochs > 5)
    let report = try FamilyChecks.report(store)
    let measured = try trainer.evaluate(split: "train")
    if case .number(let inertia, _)? = report["inertia"] {
      // The fit's own figure comes from sums that were kept up to date row by row.
      #expect(
        abs(try FamilyChecks.value("inertia", measured) - inertia) < 1e-4 * inertia)
    }
  }

  @Test("The same bits at any number of threads, and resumed after every iteration")
  func sameBits() throws {
    let dataset = try FamilyGolden("clusters").features()
    try FamilyChecks.expectSameBits(name, #"{"clusters":4,"max_iterations":6}"#, dataset)
    try FamilyChecks.expectSameBits(
      name, #"{"clusters":4,"max_iterations":5,"batch_size":20}"#, dataset)
  }

  @Test("More clusters than rows, categories and constant data")
  func refusals() throws {
    var data = TableData()
    data.add("train/x", [1, 1, 1] as [Float])
    data.add("train/c", categories: ["a", "b", "a"])
    let view = try data.view()
    let plugin = try FamilyChecks.plugin(name)
    func refusal(_ configuration: String) -> PluginError? {
      pluginError {
        _ = try plugin.makeTrainer(configuration: configuration, seed: 0, dataset: view)
      }
    }
    #expect(
      refusal(#"{"features":["x"],"clusters":4}"#)?.message.contains("at most 3") == true)
    #expect(refusal("{}")?.message.contains("column c has categories") == true)
    let trainer = try plugin.makeTrainer(
      configuration: #"{"features":["x"],"clusters":2}"#, seed: 0, dataset: view)
    try FamilyChecks.train(trainer)
    #expect(try FamilyChecks.value("inertia", trainer.evaluate(split: "train")) == 0)
  }
}
