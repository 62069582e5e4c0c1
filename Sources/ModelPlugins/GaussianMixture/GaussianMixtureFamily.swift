// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a Gaussian mixture is asked for.
struct GaussianMixtureConfiguration: Sendable {
  /// Which covariance matrices components have.
  enum Covariance: String, CaseIterable {
    case full, tied, diag, spherical
  }

  var table: TableConfiguration
  var scaling: InputScaling
  var components: Int
  var covariance: Covariance
  var maxIterations: Int
  var tolerance: Double
  var regularization: Double

  init(_ json: JSONValue) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration",
      keys: TableConfiguration.keys + [
        InputScaling.key, "components", "covariance", "max_iterations", "tolerance",
        "regularization",
      ], list: list)
    table = TableConfiguration(fields, supervised: false, list: list)
    scaling = InputScaling(fields, list: list)
    components = fields.integer("components", 1...4096, default: 1)
    covariance = fields.choice("covariance", default: Covariance.full) ?? .full
    maxIterations = fields.integer("max_iterations", 1...100_000, default: 100)
    tolerance = fields.number("tolerance", "a number above 0", default: 1e-3) { $0 > 0 }
    regularization = fields.number(
      "regularization", "a number of 0 or more", default: 1e-6
    ) { $0 >= 0 }
    try list.check()
  }

  /// The JSON Schema (2020-12) of the configuration.
  static let schema = """
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "gaussian-mixture",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        \(TableConfiguration.schemaProperties),
        \(InputScaling.schemaProperty),
        "components": {"type": "integer", "minimum": 1, "maximum": 4096, "default": 1},
        "covariance": {"enum": ["full", "tied", "diag", "spherical"], "default": "full"},
        "max_iterations": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 100},
        "tolerance": {"type": "number", "exclusiveMinimum": 0, "default": 0.001},
        "regularization": {"type": "number", "minimum": 0, "default": 0.000001}
      },
      "$defs": \(TableConfiguration.schemaDefinitions)
    }
    """
}

/// The built-in plugin `gaussian-mixture`.
struct GaussianMixtureFamily: ModelFamily {
  static let name = "gaussian-mixture"
  static let schema = GaussianMixtureConfiguration.schema

  let workers: WorkerPool
  let instructionSet: InstructionSet

  func parse(_ json: JSONValue) throws(PluginError) -> GaussianMixtureConfiguration {
    try GaussianMixtureConfiguration(json)
  }

  func check(
    _ configuration: GaussianMixtureConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate {
    let schema = try UnsupervisedData.schema(configuration.table, in: dataset)
    return .ofMatrix(
      schema, in: dataset, target: nil, gramMatrices: 2 * configuration.components)
  }

  func makeFit(
    _ configuration: GaussianMixtureConfiguration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit {
    try GaussianMixtureFit(
      configuration, seed: seed, dataset: dataset, workers: workers,
      instructionSet: instructionSet)
  }

  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation {
    let path = "model.json.model"
    return try GaussianMixtureModel(
      try FeatureEncoding(description["encoding"], path: "\(path).encoding"), weights: weights,
      maxBatchSize: try ServedBatch.read(description, path: path),
      instructionSet: instructionSet)
  }
}

/// A mixture that answers: `cluster` INT32 [1], `probabilities` FP32 of the components, and
/// `log_likelihood` FP32 [1].
final class GaussianMixtureModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  let executesInline = false
  let memoryByteCount: Int

  private let encoding: FeatureEncoding
  private let interface: TableInterface
  private let densities: GaussianDensities

  init(
    _ encoding: FeatureEncoding, weights: TensorBundle, maxBatchSize: Int,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    densities = try GaussianDensities(
      weights, columns: encoding.width, instructionSet: instructionSet)
    self.encoding = encoding
    self.maxBatchSize = maxBatchSize
    interface = TableInterface(encoding.schema)
    inputs = interface.inputs
    outputs = [
      TensorSpecification(name: "cluster", datatype: .int32, shape: [1]),
      TensorSpecification(name: "probabilities", datatype: .fp32, shape: [densities.count]),
      TensorSpecification(name: "log_likelihood", datatype: .fp32, shape: [1]),
    ]
    memoryByteCount = densities.memoryByteCount
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let (rows, count) = (execution.batchSize, densities.count)
    try encoding.withRows(of: execution, interface) { x throws(PluginError) in
      var logs = [Double](repeating: 0, count: rows * count)
      let scratch = UnsafeMutablePointer<Float>.allocate(capacity: densities.scratchCount)
      defer { scratch.deallocate() }
      logs.withUnsafeMutableBufferPointer { logs in
        guard let base = logs.baseAddress else { return }
        for start in stride(from: 0, to: rows, by: GaussianDensities.blockRows) {
          densities.logDensities(
            x + start * encoding.width, rows: min(GaussianDensities.blockRows, rows - start),
            into: base + start * count, scratch: scratch)
        }
      }
      let likelihoods = (0..<rows).map { row in
        logs.withUnsafeMutableBufferPointer { logs in
          logs.baseAddress.map { GaussianDensities.normalise($0 + row * count, count: count) } ?? 0
        }
      }
      try execution.fillIntegers(0, shape: [rows, 1]) { out in
        for row in 0..<rows {
          var best = 0
          for index in 0..<count where logs[row * count + index] > logs[row * count + best] {
            best = index
          }
          out[row] = Int32(best)
        }
      }
      try execution.fillFloats(1, shape: [rows, count]) { out in
        for index in logs.indices { out[index] = Float(logs[index]) }
      }
      try execution.fillFloats(2, shape: [rows, 1]) { out in
        for row in 0..<rows { out[row] = Float(likelihoods[row]) }
      }
    }
  }
}
