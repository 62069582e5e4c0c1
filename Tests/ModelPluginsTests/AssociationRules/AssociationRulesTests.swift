// SPDX-License-Identifier: Apache-2.0
import Runtime
import Testing

@testable import ModelPlugins

struct AssociationRulesTests {
  private let name = "association-rules"

  private func mask(_ items: [Int32]) -> Int64 { items.reduce(0) { $0 | 1 << Int64($1) } }

  @Test("Item sets and rules are mlxtend's, each with its figures")
  func matchesReference() throws {
    let golden = try FamilyGolden("rules")
    let view = try golden.features()
    let schema = try TableSchema(
      features: nil, target: nil, in: view.description, view: view)
    let baskets = try BasketEncoding(schema: schema).baskets(split: "train", in: view)
    let patterns = FrequentPatterns(minimumCount: 18, maxItems: 20, maxSets: 1 << 20)
    let sets = try patterns.mine(
      baskets, itemCount: 16, workers: try WorkerPool(threadCount: 2), isCancelled: { false })
    let masks = try golden.values("itemsets", as: Int64.self)
    let supports: [Double] = try golden.values("supports")
    let expected = Dictionary(uniqueKeysWithValues: zip(masks, supports))
    #expect(sets.count == expected.count)
    for set in sets {
      let support = try #require(expected[mask(set.items)])
      #expect(abs(Double(set.count) / 300 - support) < 1e-12)
    }
    let rules = try #require(
      AssociationRule.all(
        of: sets, baskets: 300, minimumConfidence: 0.6, minimumLift: 0, maxRules: 1 << 20))
    let antecedents = try golden.values("antecedents", as: Int64.self)
    let consequents = try golden.values("consequents", as: Int64.self)
    let confidences: [Double] = try golden.values("confidences")
    let lifts: [Double] = try golden.values("lifts")
    var figures: [[Int64]: (Double, Double)] = [:]
    for index in antecedents.indices {
      figures[[antecedents[index], consequents[index]]] = (confidences[index], lifts[index])
    }
    #expect(rules.count == figures.count)
    for rule in rules {
      let (confidence, lift) = try #require(
        figures[[mask(rule.antecedent), mask(rule.consequent)]])
      #expect(abs(rule.confidence - confidence) < 1e-12)
      #expect(abs(rule.lift - lift) < 1e-12)
    }
  }

  @Test("Serves what goes with a basket, by name")
  func recommends() throws {
    var data = TableData()
    data.add("train/bread", categories: ["t", "t", "t", "", "t"])
    data.add("train/butter", categories: ["t", "t", "t", "", ""])
    data.add("train/size", categories: ["large", "small", "large", "small", "small"])
    let (_, artifacts) = try FamilyChecks.fit(
      name, #"{"min_support":0.4,"min_confidence":0.7,"recommendations":2}"#, data.view())
    let model = try FamilyChecks.plugin(name).makeModel(
      artifacts: artifacts.artifacts, configuration: "{}")
    #expect(model.inputs.map(\.name) == ["bread", "butter", "size"])
    let execution = model.makeExecution()
    execution.batchSize = 1
    let empty = ByteBox([0, 0, 0, 0])
    let item = ByteBox([1, 0, 0, 0] + Array("t".utf8))
    for (index, box) in [empty, item, empty].enumerated() {
      execution.setInput(index, datatype: .bytes, shape: [1, 1], bytes: box.bytes, owner: box)
    }
    try model.execute(execution)
    #expect(Array(execution.output(0).bytes) == [5, 0, 0, 0] + Array("bread".utf8) + [0, 0, 0, 0])
    #expect(execution.output(1).floats == [1, 0])
    let text = String(decoding: try #require(artifacts.contents["report.txt"]), as: UTF8.self)
    #expect(text.contains("butter"))
  }

  @Test("A request of one matrix may hold any number; what is no category is not in the basket")
  func anyNumberMayCome() throws {
    var data = TableData()
    for column in 0..<70 {
      data.add("train/c\(column)", categories: (0..<8).map { $0 < 6 - column % 2 ? "t" : "" })
    }
    let (_, artifacts) = try FamilyChecks.fit(
      name, #"{"min_support":0.5,"min_confidence":0.5,"max_items":2}"#, data.view())
    let strange: [Float] = [.infinity, -.infinity, .nan, 1e30, -1, 0.5, 1, 3e9]
    var basket = (0..<70).map { strange[$0 % strange.count] }
    let none = try FamilyChecks.answer(name, artifacts, basket, count: 1)
    #expect(none.output(1).floats.allSatisfy { $0 == 0 })
    basket[0] = 0
    let some = try FamilyChecks.answer(name, artifacts, basket, count: 1)
    #expect(some.output(1).floats[0] > 0.5)
  }

  @Test("The same bits at any number of threads, and resumed")
  func sameBits() throws {
    try FamilyChecks.expectSameBits(
      name, #"{"min_support":0.1,"min_confidence":0.5}"#, FamilyGolden("rules").features())
  }

  @Test("A support of 0 is refused", arguments: ["0", "-1", "1.5", "\"a\""])
  func refusals(_ support: String) throws {
    let plugin = try FamilyChecks.plugin(name)
    let error = pluginError {
      try plugin.validate(configuration: #"{"min_support":\#(support)}"#, dataset: nil)
    }
    #expect(error?.violations.first?.field == "configuration.min_support")
    #expect(error?.message.contains("above 0") == true)
  }
}
