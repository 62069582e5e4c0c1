// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What association rules are asked for.
struct AssociationRulesConfiguration: Sendable {
  var table: TableConfiguration
  var minimumSupport: Double
  var minimumConfidence: Double
  var minimumLift: Double
  var maxItems: Int
  var recommendations: Int

  init(_ json: JSONValue) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration",
      keys: TableConfiguration.keys + [
        "min_support", "min_confidence", "min_lift", "max_items", "recommendations",
      ], list: list)
    table = TableConfiguration(fields, supervised: false, list: list)
    minimumSupport = fields.number(
      "min_support", "a number above 0 and at most 1", default: 0.1
    ) { $0 > 0 && $0 <= 1 }
    minimumConfidence = fields.number(
      "min_confidence", "a number in 0...1", default: 0.8
    ) { (0...1).contains($0) }
    minimumLift = fields.number("min_lift", "a number of 0 or more", default: 0) { $0 >= 0 }
    maxItems = fields.integer("max_items", 1...20, default: 20)
    recommendations = fields.integer("recommendations", 1...100, default: 5)
    try list.check()
  }

  /// The JSON Schema (2020-12) of the configuration.
  static let schema = """
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "association-rules",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        \(TableConfiguration.schemaProperties),
        "min_support": {
          "type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.1
        },
        "min_confidence": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.8},
        "min_lift": {"type": "number", "minimum": 0, "default": 0},
        "max_items": {"type": "integer", "minimum": 1, "maximum": 20, "default": 20},
        "recommendations": {
          "type": "integer", "minimum": 1, "maximum": 100, "default": 5,
          "description": "Items that the model answers for a basket."
        }
      },
      "$defs": \(TableConfiguration.schemaDefinitions)
    }
    """
}

/// The built-in plugin `association-rules`.
struct AssociationRulesFamily: ModelFamily {
  static let name = "association-rules"
  static let schema = AssociationRulesConfiguration.schema

  private let workers: WorkerPool

  init(workers: WorkerPool, instructionSet: InstructionSet) {
    self.workers = workers
  }

  func parse(_ json: JSONValue) throws(PluginError) -> AssociationRulesConfiguration {
    try AssociationRulesConfiguration(json)
  }

  func check(
    _ configuration: AssociationRulesConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate {
    let schema = try TableSchema(
      features: configuration.table.features, target: nil, in: dataset)
    return .ofMatrix(schema, in: dataset, target: nil, gramMatrices: 0)
  }

  func makeFit(
    _ configuration: AssociationRulesConfiguration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit {
    try AssociationRulesFit(configuration, dataset: dataset, workers: workers)
  }

  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation {
    let path = "model.json.model"
    let list = ViolationList()
    let fields = FieldReader(
      description, path: path, keys: ["features", "max_batch_size", "recommendations"], list: list)
    let recommendations = fields.integer("recommendations", 1...100)
    try list.check()
    return try AssociationRulesModel(
      BasketEncoding(schema: try TableSchema(description["features"], path: "\(path).features")),
      weights: weights, recommendations: recommendations,
      maxBatchSize: try ServedBatch.read(description, path: path))
  }
}

/// Rules that answer: the items that they add to a basket, by falling confidence: `items` BYTES and
/// `confidences` FP32, empty and 0 where no more rule applies.
final class AssociationRulesModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  let executesInline = false
  let memoryByteCount: Int

  private let encoding: BasketEncoding
  private let interface: TableInterface
  private let names: [String]
  private let rules: [(antecedent: [Int32], consequent: [Int32], confidence: Float)]
  private let recommendations: Int

  init(
    _ encoding: BasketEncoding, weights: TensorBundle, recommendations: Int, maxBatchSize: Int
  ) throws(PluginError) {
    let names = encoding.names
    let confidences = try weights.values("confidences", as: Double.self)
    func sets(_ key: String) throws(PluginError) -> [[Int32]] {
      let offsets = try weights.values(
        "\(key)_offsets", as: Int64.self, shape: [confidences.count + 1])
      let items = try weights.values("\(key)_items", as: Int32.self)
      var sets: [[Int32]] = []
      for index in confidences.indices {
        let (start, end) = (offsets[index], offsets[index + 1])
        guard start >= 0, start <= end, end <= items.count else {
          throw PluginError(.dataLoss, "weights.safetensors: \(key)_offsets do not fit")
        }
        sets.append(Array(items[Int(start)..<Int(end)]))
      }
      guard items.allSatisfy({ names.indices.contains(Int($0)) }) else {
        throw PluginError(.dataLoss, "weights.safetensors: \(key)_items names an unknown item")
      }
      return sets
    }
    let (antecedents, consequents) = (try sets("antecedent"), try sets("consequent"))
    rules = confidences.indices.map {
      (antecedents[$0], consequents[$0], Float(confidences[$0]))
    }
    self.encoding = encoding
    self.names = names
    self.recommendations = recommendations
    self.maxBatchSize = maxBatchSize
    interface = TableInterface(encoding.schema)
    inputs = interface.inputs
    outputs = [
      TensorSpecification(name: "items", datatype: .bytes, shape: [recommendations]),
      TensorSpecification(name: "confidences", datatype: .fp32, shape: [recommendations]),
    ]
    memoryByteCount = rules.count * 128
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let (rows, count) = (execution.batchSize, recommendations)
    try interface.withRows(of: execution) { x throws(PluginError) in
      let answers = (0..<rows).map { recommend(x + $0 * encoding.schema.columnCount) }
      try execution.setStrings(
        0,
        answers.flatMap { answer in
          (0..<count).map { $0 < answer.count ? names[Int(answer[$0].item)] : "" }
        }, shape: [rows, count])
      try execution.fillFloats(1, shape: [rows, count]) { out in
        for (row, answer) in answers.enumerated() {
          for index in 0..<count {
            out[row * count + index] = index < answer.count ? answer[index].confidence : 0
          }
        }
      }
    }
  }

  private func recommend(
    _ row: UnsafePointer<Float>
  ) -> [(item: Int32, confidence: Float)] {
    var basket = Set(encoding.items(row))
    let bought = basket
    var answer: [(item: Int32, confidence: Float)] = []
    // Rules are in the order of their confidence.
    for rule in rules where rule.antecedent.allSatisfy(bought.contains) {
      for item in rule.consequent where basket.insert(item).inserted {
        answer.append((item, rule.confidence))
        if answer.count == recommendations { return answer }
      }
    }
    return answer
  }
}
