// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What a principal component analysis is asked for.
struct PrincipalComponentsConfiguration: Sendable {
  var table: TableConfiguration
  var scaling: InputScaling
  /// nil: as many as rows and columns allow.
  var components: Int?
  var whiten: Bool

  init(_ json: JSONValue) throws(PluginError) {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: "configuration",
      keys: TableConfiguration.keys + [InputScaling.key, "components", "whiten"], list: list)
    table = TableConfiguration(fields, supervised: false, list: list)
    scaling = InputScaling(fields, list: list)
    components =
      fields["components"] == nil ? nil : fields.integer("components", 1...65536)
    whiten = fields.bool("whiten", default: false)
    try list.check()
  }

  /// The JSON Schema (2020-12) of the configuration.
  static let schema = """
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "pca",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        \(TableConfiguration.schemaProperties),
        \(InputScaling.schemaProperty),
        "components": {"type": "integer", "minimum": 1, "maximum": 65536},
        "whiten": {"type": "boolean", "default": false}
      },
      "$defs": \(TableConfiguration.schemaDefinitions)
    }
    """
}

/// The built-in plugin `pca`: principal components of centred data.
struct PrincipalComponentsFamily: ModelFamily {
  static let name = "pca"
  static let schema = PrincipalComponentsConfiguration.schema

  let workers: WorkerPool
  let instructionSet: InstructionSet

  func parse(_ json: JSONValue) throws(PluginError) -> PrincipalComponentsConfiguration {
    try PrincipalComponentsConfiguration(json)
  }

  func check(
    _ configuration: PrincipalComponentsConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate {
    let schema = try UnsupervisedData.schema(configuration.table, in: dataset)
    if let components = configuration.components, components > schema.columnCount {
      throw PluginError(
        field: "configuration.components",
        "expected at most \(schema.columnCount), the number of columns, came \(components)")
    }
    return .ofMatrix(schema, in: dataset, target: nil, gramMatrices: 3)
  }

  func makeFit(
    _ configuration: PrincipalComponentsConfiguration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit {
    try PrincipalComponentsFit(
      configuration, seed: seed, dataset: dataset, workers: workers,
      instructionSet: instructionSet)
  }

  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation {
    let path = "model.json.model"
    return try PrincipalComponentsModel(
      try FeatureEncoding(description["encoding"], path: "\(path).encoding"), weights: weights,
      maxBatchSize: try ServedBatch.read(description, path: path))
  }
}

/// A projection that answers: `projection` FP32, one for each component.
final class PrincipalComponentsModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  let executesInline = false
  var memoryByteCount: Int { components.count * 8 }

  private let encoding: FeatureEncoding
  private let interface: TableInterface
  /// (components, columns), divided by the deviations where whitened.
  private let components: [Double]
  /// What is subtracted after the product: the projection of the mean.
  private let offsets: [Double]

  init(
    _ encoding: FeatureEncoding, weights: TensorBundle, maxBatchSize: Int
  ) throws(PluginError) {
    let width = encoding.width
    components = try weights.values("components", shape: [-1, width])
    let means = try weights.values("means", as: Double.self, shape: [width])
    let count = components.count / max(1, width)
    guard count >= 1 else {
      throw PluginError(.dataLoss, "weights.safetensors: expected a component or more")
    }
    let rows = components
    offsets = (0..<count).map { row in
      (0..<width).reduce(0) { $0 + rows[row * width + $1] * means[$1] }
    }
    self.encoding = encoding
    self.maxBatchSize = maxBatchSize
    interface = TableInterface(encoding.schema)
    inputs = interface.inputs
    outputs = [TensorSpecification(name: "projection", datatype: .fp32, shape: [count])]
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let (rows, width, count) = (execution.batchSize, encoding.width, offsets.count)
    try encoding.withRows(of: execution, interface) { x throws(PluginError) in
      try execution.fillFloats(0, shape: [rows, count]) { out in
        components.withUnsafeBufferPointer { components in
          guard let base = components.baseAddress else { return }
          for row in 0..<rows {
            for index in 0..<count {
              out[row * count + index] = Float(
                dot(x + row * width, base + index * width, count: width) - offsets[index])
            }
          }
        }
      }
    }
  }
}
