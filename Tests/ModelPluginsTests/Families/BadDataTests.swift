// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

/// Data that nothing can be learned from, for every family over tables and networks: each refused
/// with what is wrong, or taken where the family has a meaning for it.
@Suite struct BadDataTests {
  enum Defect: String, CaseIterable, Sendable {
    case none, empty, notANumber, infinite, constant, oneClass, labelOutside
  }

  /// What a family does with a defect.
  enum Outcome: Sendable {
    case taken
    /// The message, or the path of a field, says this.
    case refused(String)
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let family: String
    let configuration: String
    let outcomes: [Defect: Outcome]

    var testDescription: String { family }

    func expected(_ defect: Defect) -> Outcome { outcomes[defect] ?? .taken }
  }

  private static let classifier: [Defect: Outcome] = [
    .empty: .refused("rows"), .notANumber: .refused("column x"), .infinite: .refused("column x"),
    .oneClass: .refused("column y"), .labelOutside: .refused("label 7"),
  ]
  /// Missing values are theirs to split by; a table of constants has nothing to split.
  private static let tree: [Defect: Outcome] = [
    .empty: .refused("rows"), .infinite: .refused("x"), .constant: .refused("features"),
    .oneClass: .refused("column y"), .labelOutside: .refused("label 7"),
  ]
  private static let unsupervised: [Defect: Outcome] = [
    .empty: .refused("rows"), .notANumber: .refused("column x"), .infinite: .refused("column x"),
  ]

  static let cases = [
    Case(
      family: "linear-regression", configuration: #"{"target":"t","features":["x","z"]}"#,
      outcomes: unsupervised),
    Case(
      family: "logistic-regression", configuration: #"{"target":"y","features":["x","z"]}"#,
      outcomes: classifier),
    Case(
      family: "decision-tree", configuration: #"{"target":"y","features":["x","z"]}"#,
      outcomes: tree),
    Case(
      family: "random-forest",
      configuration: #"{"target":"y","features":["x","z"],"trees":2}"#, outcomes: tree),
    Case(
      family: "gradient-boosting",
      configuration: #"{"target":"y","features":["x","z"],"rounds":2,"min_samples_leaf":1}"#,
      outcomes: tree),
    Case(
      family: "k-means", configuration: #"{"clusters":2,"features":["x","z"]}"#,
      outcomes: unsupervised),
    Case(
      family: "dbscan", configuration: #"{"eps":1,"min_samples":2,"features":["x","z"]}"#,
      outcomes: unsupervised),
    Case(
      family: "gaussian-mixture",
      configuration: #"{"components":2,"features":["x","z"],"regularization":0.01}"#,
      outcomes: unsupervised),
    Case(
      family: "pca", configuration: #"{"components":1,"features":["x","z"]}"#,
      outcomes: unsupervised.merging([.constant: .refused("constant")]) { $1 }),
    Case(
      family: "association-rules",
      configuration: #"{"min_support":0.1,"min_confidence":0.5,"features":["x","z"]}"#,
      outcomes: [.empty: .refused("rows")]),
    Case(
      family: "neural-network",
      configuration: #"""
        {"input_tensor":"m","label_tensor":"y","layers":[{"type":"dense","units":2}],"epochs":1}
        """#,
      outcomes: [
        .empty: .refused("sample"), .notANumber: .refused("sample 3 of train/m"),
        .infinite: .refused("sample 3 of train/m"), .oneClass: .refused("one class"),
        .labelOutside: .refused("label 7"),
      ]),
  ]

  private func data(_ defect: Defect) throws -> DataSetView {
    var data = TableData()
    let count = defect == .empty ? 0 : 24
    for split in ["train", "test"] {
      var x = (0..<count).map { Float(($0 * 7) % 24) }
      var z = (0..<count).map { Float(($0 * 5) % 24) }
      var y = (0..<count).map { Int32($0 % 2) }
      switch defect {
      case .none, .empty: break
      case .notANumber: x[3] = .nan
      case .infinite: x[3] = -.infinity
      case .constant: (x, z) = (x.map { _ in 3 }, z.map { _ in 0 })
      case .oneClass: y = y.map { _ in 1 }
      case .labelOutside: if split == "test" { y[5] = 7 }
      }
      data.add("\(split)/x", x)
      data.add("\(split)/z", z)
      data.add("\(split)/m", zip(x, z).flatMap { [$0, $1] }, row: [2])
      data.add("\(split)/y", y)
      data.add("\(split)/t", x.map { $0.isFinite ? $0 : 1 })
    }
    return try data.view()
  }

  @Test(arguments: cases) func everyDefectIsRefusedOrMeant(_ tested: Case) throws {
    for defect in Defect.allCases {
      let error = pluginError {
        let plugin = try FamilyChecks.plugin(tested.family)
        let trainer = try plugin.makeTrainer(
          configuration: tested.configuration, seed: 1, dataset: try data(defect))
        try FamilyChecks.train(trainer)
        _ = try? trainer.evaluate(split: "train")
        if defect == .labelOutside, tested.outcomes[defect] != nil {
          _ = try trainer.evaluate(split: "test")
        }
      }
      switch tested.expected(defect) {
      case .taken:
        #expect(error == nil, "\(defect): \(String(describing: error))")
      case .refused(let text):
        let said = error.map { "\($0.violations.map(\.field)) \($0.message)" } ?? "nothing"
        #expect(said.contains(text), "\(defect): \(said)")
      }
    }
  }

  @Test(
    "Settings that no data can meet",
    arguments: [
      ("k-means", #"{"clusters":25,"features":["x"]}"#, "at most 24"),
      ("k-means", #"{"clusters":0,"features":["x"]}"#, "clusters"),
      ("gaussian-mixture", #"{"components":25,"features":["x"]}"#, "24"),
      ("pca", #"{"components":3,"features":["x","z"]}"#, "components"),
      ("dbscan", #"{"eps":0,"min_samples":2,"features":["x"]}"#, "eps"),
      ("association-rules", #"{"min_support":0}"#, "min_support"),
      ("association-rules", #"{"min_support":0.1,"min_confidence":2}"#, "min_confidence"),
      ("linear-regression", #"{"target":"none"}"#, "none"),
      ("logistic-regression", #"{"target":"y","c":0}"#, "configuration.c"),
    ])
  func settingsAreRefused(family: String, configuration: String, says: String) throws {
    let error = pluginError {
      _ = try FamilyChecks.plugin(family).makeTrainer(
        configuration: configuration, seed: 1, dataset: try data(.none))
    }
    let said = error.map { "\($0.violations.map(\.field)) \($0.message)" } ?? "nothing"
    #expect(said.contains(says), "\(said)")
  }
}
