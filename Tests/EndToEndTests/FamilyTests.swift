// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Each family over the RPC on real data: imported, trained by its preset, described, deployed and asked.
@Suite(.serialized) struct FamilyTests {
  /// What a preset's first run must come to, on the small data sets of `scripts/dataset --small`.
  struct FirstRun: Sendable, CustomTestStringConvertible {
    let preset: String
    /// A metric of the split that was held out, and what it must reach.
    var atLeast: (metric: String, value: Double)?
    /// What `models describe` must print.
    let says: [String]
    /// The arguments of `massif predict` after the model; a word that is the name of a file of the data stands
    /// for that file.
    let ask: [String]
    /// The field of the answer that must be a list of this many elements.
    var answers: (field: String, count: Int)?
    /// The field of the answer that must be a number of at least this.
    var scores: (field: String, value: Double)?

    var testDescription: String { preset }
  }

  static let runs: [FirstRun] = [
    FirstRun(
      preset: "association-rules", atLeast: ("test_confidence", 0.7),
      says: ["association rules of", "confidence", "bread-and-cake"],
      ask: []),
    FirstRun(
      preset: "character-lstm", atLeast: ("test_accuracy", 0.15),
      says: ["lstm", "embedding"],
      ask: ["--text", "ROMEO. ", "--length", "40"]),
    FirstRun(
      preset: "cnn", atLeast: ("test_accuracy", 0.6), says: ["conv2d", "Loss of each epoch"],
      ask: ["--images", "t10k-images-idx3-ubyte.gz", "--expect", "t10k-labels-idx1-ubyte.gz"],
      scores: ("accuracy", 0.6)),
    FirstRun(
      preset: "dbscan", says: ["DBSCAN", "noise", "cluster"],
      ask: ["--csv", "shuttle.csv", "--limit", "20"], answers: ("cluster", 20)),
    FirstRun(
      preset: "decision-tree", atLeast: ("test_accuracy", 0.98),
      says: ["Importance", "V1 ≤", "Rad.Flow"],
      ask: ["--csv", "shuttle.csv", "--expect-column", "Class", "--limit", "100"],
      scores: ("accuracy", 0.98)),
    FirstRun(
      preset: "gaussian-mixture", says: ["weight", "BIC", "x_17"],
      ask: ["--csv", "satellite.csv", "--limit", "20"], answers: ("cluster", 20)),
    FirstRun(
      preset: "gradient-boosting", atLeast: ("test_r2", 0.9),
      says: ["Importance", "carat", "rounds"],
      ask: ["--csv", "diamonds.csv", "--expect-column", "price", "--limit", "100"],
      scores: ("r2", 0.9)),
    FirstRun(
      preset: "gru", atLeast: ("test_accuracy", 0.85), says: ["gru"],
      ask: [
        "--input", "japanese-vowels-test-sequences.npy", "--expect",
        "japanese-vowels-test-labels.npy", "--batch", "37",
      ], scores: ("accuracy", 0.85)),
    FirstRun(
      preset: "k-means", says: ["Clusters", "silhouette", "rows"],
      ask: ["--images", "t10k-images-idx3-ubyte.gz", "--limit", "5"], answers: ("cluster", 5)),
    FirstRun(
      preset: "linear-regression", atLeast: ("test_r2", 0.85),
      says: ["standard_error", "carat", "cut=Ideal"],
      ask: ["--csv", "diamonds.csv", "--expect-column", "price", "--batch", "50"],
      scores: ("r2", 0.85)),
    FirstRun(
      preset: "logistic-regression", atLeast: ("test_roc_auc", 0.9),
      says: ["standard_error", "charDollar"],
      ask: ["--csv", "spam.csv", "--expect-column", "type", "--limit", "100"],
      scores: ("accuracy", 0.85)),
    FirstRun(
      preset: "lstm", atLeast: ("test_accuracy", 0.85), says: ["lstm"],
      ask: [
        "--input", "japanese-vowels-test-sequences.npy", "--expect",
        "japanese-vowels-test-labels.npy", "--batch", "37",
      ], scores: ("accuracy", 0.85)),
    FirstRun(
      preset: "mlp", atLeast: ("test_accuracy", 0.7), says: ["dense"],
      ask: ["--csv", "letters.csv", "--expect-column", "lettr", "--limit", "3"],
      answers: ("probabilities", 3)),
    FirstRun(
      preset: "pca", atLeast: ("test_explained_variance", 0.8), says: ["ratio", "component"],
      ask: ["--images", "t10k-images-idx3-ubyte.gz", "--limit", "5"], answers: ("projection", 5)),
    FirstRun(
      preset: "random-forest", atLeast: ("test_accuracy", 0.8),
      says: ["Importance", "out of bag", "x.ege"],
      ask: ["--csv", "letters.csv", "--expect-column", "lettr", "--limit", "100"],
      scores: ("accuracy", 0.95)),
  ]

  @Test(arguments: runs) func trainsDescribesAndAnswers(_ run: FirstRun) async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let folder = try await self.folder(of: run, in: massif)
    let trained = try await massif.massif(
      ["train", "--preset", run.preset, "--data", folder.path, "--watch"])
    #expect(trained.status == 0, "\(trained.output)\n\(trained.errors)")

    let version = "\(run.preset)@1"
    let text = try await massif.massif(["models", "describe", version])
    for phrase in run.says { #expect(text.output.contains(phrase), "\(phrase): \(text.output)") }
    let json = try await massif.massifJSON(["models", "describe", version])
    #expect((json["report"] as? [String: Any])?["title"] is String)
    if let (metric, value) = run.atLeast {
      let found = try #require((json["metrics"] as? [String: Double])?[metric], "\(json)")
      #expect(found >= value, "\(metric)")
    }

    _ = try await massif.massifJSON(["deploy", run.preset])
    guard !run.ask.isEmpty else { return try await recommends(run.preset, json, massif) }
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    let answer = try await massif.massifJSON(
      ["predict", run.preset]
        + run.ask.map { files.contains($0) ? folder.appending(path: $0).path : $0 })
    if let (field, count) = run.answers {
      #expect((answer[field] as? [Any])?.count == count, "\(answer)")
    }
    if let (field, value) = run.scores {
      #expect(try #require(answer[field] as? Double, "\(answer)") >= value, "\(field)")
    }
    if run.preset == "character-lstm" {
      let written = try #require(answer["text"] as? String)
      #expect(written.utf8.count >= 40)
      // The same seed draws the same text.
      let again = try await massif.massifJSON(["predict", run.preset] + run.ask)
      #expect(again["text"] as? String == written)
    }
  }

  @Test func everyPresetThatTakesDataHasARun() async throws {
    let listed = try await Program.run(
      BuildProducts.massif, ["train", "--presets", "--output", "json"])
    let presets = try #require(
      JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]])
    let names = presets.filter { $0["data"] is String }.compactMap { $0["name"] as? String }
    #expect(Set(names) == Set(Self.runs.map(\.preset)))
  }

  @Test func aPresetWithoutItsDataSaysHowToMakeThem() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let refused = try await massif.massif(["train", "--preset", "linear-regression"])
    #expect(refused.status != 0)
    #expect(refused.errors.contains("scripts/dataset diamonds"), "\(refused.errors)")
  }

  /// Asks for what goes with a basket of half of the supermarket's goods.
  private func recommends(
    _ model: String, _ version: [String: Any], _ massif: Installation
  ) async throws {
    let input = try #require((version["inputs"] as? [[String: Any]])?.first)
    let columns = try #require((input["shape"] as? [Int])?.last)
    let request: [String: Any] = [
      "inputs": [
        [
          "name": "features", "datatype": "FP32", "shape": [1, columns],
          "data": (0..<columns).map { $0 < columns / 2 ? 0 : -1 },
        ]
      ]
    ]
    let file = massif.directory.appending(path: "basket.json")
    try JSONSerialization.data(withJSONObject: request).write(to: file)
    let answer = try await massif.massifJSON(["infer", model, file.path])
    let outputs = try #require(answer["outputs"] as? [[String: Any]])
    let items = try #require(outputs[0]["data"] as? [String])
    let confidences = try #require(outputs[1]["data"] as? [Double])
    #expect(!items[0].isEmpty)
    #expect(confidences[0] >= 0.7)
  }

  /// Fashion-MNIST's first images, or the small data sets that `scripts/test` had made.
  private func folder(of run: FirstRun, in massif: Installation) async throws -> URL {
    if ["cnn", "k-means", "pca"].contains(run.preset) {
      return try await FashionSubset(in: massif.directory, train: 600, test: 200).directory
    }
    guard let path = ProcessInfo.processInfo.environment["MASSIF_TEST_DATA"] else {
      throw HarnessError("MASSIF_TEST_DATA is not set; run the tests with `make test`")
    }
    return URL(filePath: path)
  }
}
