// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

@Suite struct DecisionTreeTests {
  @Test func aRegressionIsScikitLearns() throws {
    let golden = try TreeGolden()
    let configuration =
      #"{"target":"y","splits":"exact","max_depth":4,"min_samples_leaf":5}"#
    let run = try TreeRun("decision-tree", configuration, try golden.data("diabetes"))
    let answers = try run.answers(try golden.floats("diabetes/x"), width: 10)
    // Means of up to 442 targets below 350, in single precision.
    #expect(largestDifference(answers, try golden.floats("diabetes/tree")) < 1e-4)
    let importance = try importance(of: run, columns: 10)
    #expect(largestDifference(importance, try golden.floats("diabetes/tree_importance")) < 1e-6)
  }

  @Test(arguments: ["gini", "entropy"], ["exact", "histogram"])
  func aClassificationIsScikitLearns(criterion: String, splits: String) throws {
    let golden = try TreeGolden()
    let configuration = """
      {"target":"y","splits":"\(splits)","criterion":"\(criterion)","max_depth":3,
       "min_samples_leaf":\(splits == "exact" ? 5 : 25)}
      """
    // Histograms see every value where there are fewer than bins.
    let features = splits == "exact" ? "x" : "few_x"
    let run = try TreeRun(
      "decision-tree", configuration, try golden.data("cancer", features: features))
    let answers = try run.answers(try golden.floats("cancer/\(features)"), width: 12)
    let key = splits == "exact" ? "cancer/tree_\(criterion)" : "cancer/few_tree_\(criterion)"
    #expect(largestDifference(answers, try golden.floats(key)) < 1e-6)
  }

  @Test func classWeightsAreScikitLearns() throws {
    let golden = try TreeGolden()
    let configuration = """
      {"target":"y","splits":"exact","max_depth":3,"min_samples_leaf":10,
       "class_weight":{"0":1.5,"1":0.5}}
      """
    let run = try TreeRun("decision-tree", configuration, try golden.data("cancer"))
    let answers = try run.answers(try golden.floats("cancer/x"), width: 12)
    #expect(largestDifference(answers, try golden.floats("cancer/tree_weighted")) < 1e-6)
  }

  @Test func balancedWeightsMakeClassesCountAlike() throws {
    let golden = try TreeGolden()
    let ones = Double(try golden.integers("cancer/y").reduce(0, +))
    let weights = #"{"0":\#(569 / (2 * (569 - ones))),"1":\#(569 / (2 * ones))}"#
    let models = try [#""balanced""#, weights].map { weight in
      let configuration = #"{"target":"y","max_depth":3,"class_weight":\#(weight)}"#
      return try TreeRun("decision-tree", configuration, try golden.data("cancer")).exported()
    }
    #expect(models[0]["weights.safetensors"] == models[1]["weights.safetensors"])
  }

  @Test func theDirectionOfMissingValuesIsScikitLearns() throws {
    let golden = try TreeGolden()
    let configuration =
      #"{"target":"y","splits":"exact","max_depth":3,"min_samples_leaf":5}"#
    let data = try golden.data("cancer", features: "missing_x")
    let run = try TreeRun("decision-tree", configuration, data)
    let answers = try run.answers(try golden.floats("cancer/missing_x"), width: 12)
    #expect(largestDifference(answers, try golden.floats("cancer/tree_missing")) < 1e-6)
  }

  @Test func pruningIsScikitLearns() throws {
    let golden = try TreeGolden()
    let configuration =
      #"{"target":"y","splits":"exact","min_samples_leaf":10,"pruning_alpha":60}"#
    let run = try TreeRun("decision-tree", configuration, try golden.data("diabetes"))
    let answers = try run.answers(try golden.floats("diabetes/x"), width: 10)
    #expect(largestDifference(answers, try golden.floats("diabetes/tree_pruned")) < 1e-4)
    let leaves = try report(of: run)["leaves"]
    #expect(leaves == .integer(Int(try golden.integers("diabetes/tree_pruned_leaves")[0])))
  }

  @Test func histogramsLoseLittle() throws {
    let golden = try TreeGolden()
    let data = try golden.data("diabetes")
    let r2 = try ["exact", "histogram"].map { splits in
      let bins = splits == "exact" ? "" : #","max_bins":32"#
      let configuration =
        #"{"target":"y","max_depth":4,"min_samples_leaf":5,"splits":"\#(splits)"\#(bins)}"#
      return try TreeRun("decision-tree", configuration, data).evaluate()["r2"] ?? 0
    }
    #expect(abs(r2[0] - r2[1]) < 0.02)
  }

  @Test func trainingMetricsAreThoseOfTheTrainingSplit() throws {
    let golden = try TreeGolden()
    for (name, metric) in [("diabetes", "rmse"), ("cancer", "accuracy")] {
      let run = try TreeRun(
        "decision-tree", #"{"target":"y","max_depth":3}"#, try golden.data(name))
      let trained = try #require(run.metrics[0][metric])
      let measured = try #require(try run.evaluate("train")[metric])
      #expect(abs(trained - measured) < 1e-3)
    }
  }

  @Test func categoriesAreSplitByWhatTheyMean() throws {
    var data = TableData()
    let colours = ["amber", "blue", "cyan", "dun", "emerald"]
    let rows = (0..<200).map { $0 % 5 }
    for split in ["train", "test"] {
      data.add(
        "\(split)/colour", categories: rows.map { $0 == 3 ? "" : colours[$0] }, dictionary: colours)
      data.add("\(split)/noise", rows.indices.map { Float($0 % 7) })
      // amber, cyan and what is missing against the rest: no order of the names tells.
      data.add("\(split)/y", categories: rows.map { [0, 2, 3].contains($0) ? "in" : "out" })
    }
    let run = try TreeRun("decision-tree", #"{"target":"y"}"#, try data.view())
    #expect(try run.evaluate()["accuracy"] == 1)
    let text = String(decoding: try #require(try run.exported()["report.txt"]), as: UTF8.self)
    #expect(text.contains("colour in {"))
    let svg = String(decoding: try #require(try run.exported()["tree.svg"]), as: UTF8.self)
    #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
  }

  @Test(arguments: [1, 7])
  func theBitsAreTheSameAtAnyThreadCount(threads: Int) throws {
    let data = try TreeData.stripes(rows: 6000)
    let configuration = #"{"target":"y","min_samples_leaf":2}"#
    let two = try TreeRun("decision-tree", configuration, data, threads: 2).exported()
    let other = try TreeRun("decision-tree", configuration, data, threads: threads).exported()
    #expect(two == other)
  }

  @Test func aCheckpointGoesOnToTheSameBits() throws {
    let golden = try TreeGolden()
    let data = try golden.data("cancer")
    let configuration = #"{"target":"y","max_depth":4}"#
    let whole = try TreeRun("decision-tree", configuration, data)
    for epochs in [0, 1] {
      let part = try TreeRun("decision-tree", configuration, data, epochs: epochs)
      let resumed = try TreeRun(
        "decision-tree", configuration, data, restoring: try part.checkpoint())
      #expect(try resumed.exported() == whole.exported())
    }
  }

  private func report(of run: TreeRun) throws -> JSONValue {
    let bytes = try #require(try run.exported()["report.json"])
    return try JSONValue(parsing: String(decoding: bytes, as: UTF8.self), name: "report.json")
  }

  private func importance(of run: TreeRun, columns: Int) throws -> [Float] {
    var shares = [Float](repeating: 0, count: columns)
    guard case .array(let rows)? = try report(of: run)["importance"] else { return [] }
    for row in rows {
      guard case .string(let name)? = row["column"], case .number(let share, _)? = row["share"],
        let index = Int(name.dropFirst(2).dropLast())
      else { return [] }
      shares[index] = Float(share)
    }
    return shares
  }
}

/// Tables made for tests.
extension TreeData {
  /// Numbers, integers, categories and missing values, and three classes that depend on them.
  static func stripes(rows: Int, seed: UInt64 = 3) throws -> DataSetView {
    var data = TableData()
    let random = Philox(key: seed, stream: 0)
    func number(_ row: Int, _ column: Int) -> Int {
      random.integer(at: UInt64(row * 8 + column), below: 1000)
    }
    let names = ["a", "b", "c", "d"]
    for split in ["train", "test"] {
      let offset = split == "train" ? 0 : rows
      let all = offset..<(offset + rows)
      data.add(
        "\(split)/u", all.map { number($0, 0) < 50 ? Float.nan : Float(number($0, 0)) })
      data.add("\(split)/v", all.map { Int32(number($0, 1) / 10) })
      data.add("\(split)/w", categories: all.map { names[number($0, 2) % 4] }, dictionary: names)
      data.add("\(split)/x", all.map { Float(number($0, 3)) / 7 })
      data.add(
        "\(split)/y",
        all.map { row -> Int32 in
          let u = number(row, 0) < 50 ? 0 : number(row, 0) / 250
          return Int32((u + number(row, 1) / 400 + (number(row, 2) % 4 == 1 ? 1 : 0)) % 3)
        })
    }
    return try data.view()
  }
}
