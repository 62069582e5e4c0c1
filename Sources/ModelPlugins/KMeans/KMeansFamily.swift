// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a k-means clustering is asked for.
struct KMeansConfiguration: Sendable {
  var table: TableConfiguration
  var scaling: InputScaling
  var clusters: Int
  var maxIterations: Int
  var tolerance: Double
  /// Rows of an iteration; nil: all of them, Lloyd's algorithm.
  var batchSize: Int?

  init(_ json: JSONValue) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration",
      keys: TableConfiguration.keys + [
        InputScaling.key, "clusters", "max_iterations", "tolerance", "batch_size",
      ], list: list)
    table = TableConfiguration(fields, supervised: false, list: list)
    scaling = InputScaling(fields, list: list)
    clusters = fields.integer("clusters", 1...65536, default: 8)
    maxIterations = fields.integer("max_iterations", 1...100_000, default: 300)
    tolerance = fields.number("tolerance", "a number of 0 or more", default: 1e-4) { $0 >= 0 }
    batchSize =
      fields["batch_size"] == nil ? nil : fields.integer("batch_size", 1...10_000_000)
    try list.check()
  }

  /// The JSON Schema (2020-12) of the configuration.
  static let schema = """
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "k-means",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        \(TableConfiguration.schemaProperties),
        \(InputScaling.schemaProperty),
        "clusters": {"type": "integer", "minimum": 1, "maximum": 65536, "default": 8},
        "max_iterations": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 300},
        "tolerance": {"type": "number", "minimum": 0, "default": 0.0001},
        "batch_size": {
          "type": "integer", "minimum": 1, "maximum": 10000000,
          "description": "Rows drawn for each iteration of mini-batch k-means; all without it."
        }
      },
      "$defs": \(TableConfiguration.schemaDefinitions)
    }
    """
}

/// The built-in plugin `k-means`.
struct KMeansFamily: ModelFamily {
  static let name = "k-means"
  static let schema = KMeansConfiguration.schema

  let workers: WorkerPool
  let instructionSet: InstructionSet

  func parse(_ json: JSONValue) throws(PluginError) -> KMeansConfiguration {
    try KMeansConfiguration(json)
  }

  func check(
    _ configuration: KMeansConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate {
    let schema = try UnsupervisedData.schema(configuration.table, in: dataset)
    return .ofMatrix(schema, in: dataset, target: nil, gramMatrices: 0)
  }

  func makeFit(
    _ configuration: KMeansConfiguration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit {
    try KMeansFit(
      configuration, seed: seed, dataset: dataset, workers: workers,
      instructionSet: instructionSet)
  }

  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation {
    let path = "model.json.model"
    return try KMeansModel(
      try FeatureEncoding(description["encoding"], path: "\(path).encoding"), weights: weights,
      maxBatchSize: try ServedBatch.read(description, path: path),
      instructionSet: instructionSet)
  }
}

/// Cluster centres that answer: `cluster` INT32 [1] and `distance` FP32 [1].
final class KMeansModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs = [
    TensorSpecification(name: "cluster", datatype: .int32, shape: [1]),
    TensorSpecification(name: "distance", datatype: .fp32, shape: [1]),
  ]
  let maxBatchSize: Int
  let executesInline = false
  var memoryByteCount: Int { centres.memoryByteCount }

  private let encoding: FeatureEncoding
  private let interface: TableInterface
  private let centres: Centres

  init(
    _ encoding: FeatureEncoding, weights: TensorBundle, maxBatchSize: Int,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    let values = try weights.values("centres", as: Float.self, shape: [-1, encoding.width])
    guard !values.isEmpty else {
      throw PluginError(.dataLoss, "weights.safetensors: expected a centre or more")
    }
    centres = Centres(values, columns: encoding.width, instructionSet: instructionSet)
    self.encoding = encoding
    self.maxBatchSize = maxBatchSize
    interface = TableInterface(encoding.schema)
    inputs = interface.inputs
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let rows = execution.batchSize
    try encoding.withRows(of: execution, interface) { x throws(PluginError) in
      let nearest = centres.nearest(x, rows: rows)
      try execution.fillIntegers(0, shape: [rows, 1]) { out in
        for row in 0..<rows { out[row] = nearest[row].cluster }
      }
      try execution.fillFloats(1, shape: [rows, 1]) { out in
        for row in 0..<rows { out[row] = Float(nearest[row].squaredDistance.squareRoot()) }
      }
    }
  }
}
