// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a density-based clustering is asked for.
struct DBSCANConfiguration: Sendable {
  var table: TableConfiguration
  var scaling: InputScaling
  var radius: Double
  var minimumNeighbours: Int

  init(_ json: JSONValue) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration",
      keys: TableConfiguration.keys + [InputScaling.key, "eps", "min_samples"], list: list)
    table = TableConfiguration(fields, supervised: false, list: list)
    scaling = InputScaling(fields, list: list)
    radius = fields.number("eps", "a number above 0", default: 0.5) { $0 > 0 }
    minimumNeighbours = fields.integer("min_samples", 1...1_000_000, default: 5)
    try list.check()
  }

  /// The JSON Schema (2020-12) of the configuration.
  static let schema = """
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "dbscan",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        \(TableConfiguration.schemaProperties),
        \(InputScaling.schemaProperty),
        "eps": {
          "type": "number", "exclusiveMinimum": 0, "default": 0.5,
          "description": "Rows within this distance are neighbours."
        },
        "min_samples": {
          "type": "integer", "minimum": 1, "maximum": 1000000, "default": 5,
          "description": "Neighbours of a core row, itself among them."
        }
      },
      "$defs": \(TableConfiguration.schemaDefinitions)
    }
    """
}

/// The built-in plugin `dbscan`.
struct DBSCANFamily: ModelFamily {
  static let name = "dbscan"
  static let schema = DBSCANConfiguration.schema

  let workers: WorkerPool
  let instructionSet: InstructionSet

  func parse(_ json: JSONValue) throws(PluginError) -> DBSCANConfiguration {
    try DBSCANConfiguration(json)
  }

  func check(
    _ configuration: DBSCANConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate {
    let schema = try UnsupervisedData.schema(configuration.table, in: dataset)
    return .ofMatrix(schema, in: dataset, target: nil, gramMatrices: 0)
  }

  func makeFit(
    _ configuration: DBSCANConfiguration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit {
    try DBSCANFit(
      configuration, dataset: dataset, workers: workers, instructionSet: instructionSet)
  }

  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation {
    let path = "model.json.model"
    return try DBSCANModel(
      try FeatureEncoding(description["encoding"], path: "\(path).encoding"), weights: weights,
      maxBatchSize: try ServedBatch.read(description, path: path))
  }
}

/// Core rows that answer: `cluster` INT32 [1], that of the nearest core row within the radius or -1,
/// and `distance` FP32 [1] to it, infinite for noise.
final class DBSCANModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs = [
    TensorSpecification(name: "cluster", datatype: .int32, shape: [1]),
    TensorSpecification(name: "distance", datatype: .fp32, shape: [1]),
  ]
  let maxBatchSize: Int
  let executesInline = false
  let memoryByteCount: Int

  private let encoding: FeatureEncoding
  private let interface: TableInterface
  private let tree: NeighbourTree
  private let clusters: [Int32]
  private let radius: Double

  init(
    _ encoding: FeatureEncoding, weights: TensorBundle, maxBatchSize: Int
  ) throws(PluginError) {
    let cores = try weights.values("core_rows", as: Float.self, shape: [-1, encoding.width])
    let count = cores.count / max(1, encoding.width)
    clusters = try weights.values("core_clusters", shape: [count])
    radius = try weights.values("eps", as: Double.self, shape: [1])[0]
    var tree: NeighbourTree?
    cores.withUnsafeBufferPointer { cores in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 1) { empty in
        guard let base = cores.baseAddress ?? UnsafePointer(empty.baseAddress) else { return }
        tree = NeighbourTree(base, rows: count, columns: encoding.width)
      }
    }
    guard let tree else { throw PluginError(.internal, "no memory for the core rows") }
    self.tree = tree
    self.encoding = encoding
    self.maxBatchSize = maxBatchSize
    interface = TableInterface(encoding.schema)
    inputs = interface.inputs
    memoryByteCount = cores.count * 4
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let rows = execution.batchSize
    try encoding.withRows(of: execution, interface) { x throws(PluginError) in
      let found = (0..<rows).map { nearest(x + $0 * encoding.width) }
      try execution.fillIntegers(0, shape: [rows, 1]) { out in
        for row in 0..<rows { out[row] = found[row].cluster }
      }
      try execution.fillFloats(1, shape: [rows, 1]) { out in
        for row in 0..<rows { out[row] = Float(found[row].squaredDistance.squareRoot()) }
      }
    }
  }

  private func nearest(
    _ point: UnsafePointer<Float>
  ) -> (cluster: Int32, squaredDistance: Double) {
    var best: (row: Int32, squaredDistance: Double) = (-1, .infinity)
    tree.forEachNeighbour(of: point, radius: radius) { row, squared in
      if squared < best.squaredDistance || squared == best.squaredDistance && row < best.row {
        best = (row, squared)
      }
    }
    return (best.row < 0 ? -1 : clusters[Int(best.row)], best.squaredDistance)
  }
}
