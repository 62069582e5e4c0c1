// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Finds association rules as a whole: frequent item sets, then the rules between their parts.
final class AssociationRulesFit: FamilyFit {
  let sampleCount: Int
  let iterationCount = 1
  private(set) var isComplete = false

  private let configuration: AssociationRulesConfiguration
  private let dataset: DataSetView
  private let encoding: BasketEncoding
  private let baskets: [[Int32]]
  private let workers: WorkerPool
  private var sets: [FrequentPatterns.ItemSet] = []
  private var rules: [AssociationRule] = []

  /// More than anybody reads; a support that gives more gives noise.
  private static let maxSets = 2_000_000
  private static let maxRules = 1_000_000
  private static let reportedRules = 1000

  init(
    _ configuration: AssociationRulesConfiguration, dataset: DataSetView, workers: WorkerPool
  ) throws(PluginError) {
    let schema = try TableSchema(
      features: configuration.table.features, target: nil, in: dataset.description, view: dataset)
    encoding = BasketEncoding(schema: schema)
    baskets = try encoding.baskets(split: "train", in: dataset)
    self.configuration = configuration
    self.dataset = dataset
    self.workers = workers
    sampleCount = baskets.count
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    // As mlxtend: a set is frequent if its support, a quotient, is not below the least.
    var minimumCount = max(1, Int(configuration.minimumSupport * Double(baskets.count)))
    while Double(minimumCount) / Double(baskets.count) < configuration.minimumSupport {
      minimumCount += 1
    }
    let patterns = FrequentPatterns(
      minimumCount: minimumCount, maxItems: configuration.maxItems, maxSets: Self.maxSets)
    do throws(FrequentPatterns.TooMany) {
      sets = try patterns.mine(
        baskets, itemCount: encoding.names.count, workers: workers,
        isCancelled: { observer.isCancelled })
    } catch {
      throw PluginError(
        field: "configuration.min_support",
        "more than \(Self.maxSets) item sets have a support of \(configuration.minimumSupport);"
          + " ask for a higher one, or set max_items")
    }
    try observer.progress(samplesDone: baskets.count)
    let found = AssociationRule.all(
      of: sets, baskets: baskets.count, minimumConfidence: configuration.minimumConfidence,
      minimumLift: configuration.minimumLift, maxRules: Self.maxRules)
    guard let found else {
      throw PluginError(
        field: "configuration.min_confidence",
        "more than \(Self.maxRules) rules have a confidence of"
          + " \(configuration.minimumConfidence); ask for a higher one")
    }
    rules = found
    isComplete = true
    return [
      TrainingMetric(name: "item_sets", value: Double(sets.count)),
      TrainingMetric(name: "rules", value: Double(rules.count)),
    ]
  }

  /// How often rules apply to other baskets, and how often they are right there.
  func evaluate(
    split: String, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let others = try encoding.baskets(split: split, in: dataset).map(Set.init)
    var (applied, right) = (0, 0)
    for rule in rules.prefix(Self.reportedRules) {
      for basket in others where rule.antecedent.allSatisfy(basket.contains) {
        applied += 1
        if rule.consequent.allSatisfy(basket.contains) { right += 1 }
      }
      try observer.progress(samplesDone: 0)
    }
    return [
      TrainingMetric(name: "rules_applied", value: Double(applied)),
      TrainingMetric(
        name: "confidence", value: applied > 0 ? Double(right) / Double(applied) : 0),
    ]
  }

  func state() -> TensorBundle {
    var bundle = TensorBundle()
    Self.write(sets.map(\.items), "set", to: &bundle)
    bundle.set("set_counts", sets.map { Int64($0.count) })
    writeRules(to: &bundle)
    return bundle
  }

  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError) {
    let counts = try state.values("set_counts", as: Int64.self)
    sets = zip(try Self.read("set", from: state, count: counts.count), counts).map {
      FrequentPatterns.ItemSet(items: $0, count: Int($1))
    }
    let confidences = try state.values("confidences", as: Double.self)
    let antecedents = try Self.read("antecedent", from: state, count: confidences.count)
    let consequents = try Self.read("consequent", from: state, count: confidences.count)
    let lifts = try state.values("lifts", as: Double.self, shape: [confidences.count])
    let both = try state.values("counts", as: Int64.self, shape: [confidences.count])
    rules = confidences.indices.map {
      AssociationRule(
        antecedent: antecedents[$0], consequent: consequents[$0], count: Int(both[$0]),
        confidence: confidences[$0], lift: lifts[$0])
    }
    isComplete = iteration > 0
  }

  func export() throws(PluginError) -> FittedModel {
    guard isComplete else { throw PluginError(.failedPrecondition, "nothing is fitted yet") }
    var weights = TensorBundle()
    writeRules(to: &weights)
    return FittedModel(
      description: [
        "features": encoding.schema.json,
        "recommendations": .integer(configuration.recommendations),
        "max_batch_size": .integer(configuration.table.maxBatchSize),
      ], weights: weights, report: report())
  }

  private func writeRules(to bundle: inout TensorBundle) {
    Self.write(rules.map(\.antecedent), "antecedent", to: &bundle)
    Self.write(rules.map(\.consequent), "consequent", to: &bundle)
    bundle.set("confidences", rules.map(\.confidence))
    bundle.set("lifts", rules.map(\.lift))
    bundle.set("counts", rules.map { Int64($0.count) })
  }

  /// Sets of items one after the other, and where each begins.
  private static func write(_ sets: [[Int32]], _ key: String, to bundle: inout TensorBundle) {
    var offsets: [Int64] = [0]
    for set in sets { offsets.append((offsets.last ?? 0) + Int64(set.count)) }
    bundle.set("\(key)_offsets", offsets)
    bundle.set("\(key)_items", Array(sets.joined()))
  }

  private static func read(
    _ key: String, from bundle: TensorBundle, count: Int
  ) throws(PluginError) -> [[Int32]] {
    let offsets = try bundle.values("\(key)_offsets", as: Int64.self, shape: [count + 1])
    let items = try bundle.values("\(key)_items", as: Int32.self)
    var sets: [[Int32]] = []
    for index in 0..<count {
      guard offsets[index] >= 0, offsets[index] <= offsets[index + 1],
        offsets[index + 1] <= items.count
      else { throw PluginError(.dataLoss, "the checkpoint contradicts itself") }
      sets.append(Array(items[Int(offsets[index])..<Int(offsets[index + 1])]))
    }
    return sets
  }

  private func report() -> Report {
    let names = encoding.names
    func text(_ items: [Int32]) -> JSONValue {
      .string(items.map { names[Int($0)] }.joined(separator: ", "))
    }
    let total = Double(baskets.count)
    var report = Report(
      family: AssociationRulesFamily.name,
      title: "\(rules.count) association rules of \(baskets.count) baskets, \(names.count) items")
    report.fact("min_support", "least support", .number(configuration.minimumSupport))
    report.fact("min_confidence", "least confidence", .number(configuration.minimumConfidence))
    report.fact("item_set_count", "frequent item sets", .integer(sets.count))
    report.table(
      "rules", "Rules with the highest confidence",
      columns: ["if", "then", "support", "confidence", "lift"],
      rows: rules.prefix(Self.reportedRules).map { rule in
        [
          text(rule.antecedent), text(rule.consequent), .number(Double(rule.count) / total),
          .number(rule.confidence), .number(rule.lift),
        ]
      }, textLimit: 25)
    report.table(
      "item_sets", "Most frequent item sets", columns: ["items", "support"],
      rows: sets.prefix(Self.reportedRules).map {
        [text($0.items), .number(Double($0.count) / total)]
      }, textLimit: 25)
    return report
  }
}
