// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The built-in plugin `linear-regression`: least squares, ridge, lasso, elastic net.
struct LinearRegressionFamily: ModelFamily {
  static let name = "linear-regression"
  static let schema = LinearRegressionConfiguration.schema

  let workers: WorkerPool
  let instructionSet: InstructionSet

  func parse(_ json: JSONValue) throws(PluginError) -> LinearRegressionConfiguration {
    try LinearRegressionConfiguration(json)
  }

  func check(
    _ configuration: LinearRegressionConfiguration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate {
    let target = configuration.table.target ?? ""
    try NumericTarget.check(target: target, in: dataset)
    let schema = try TableSchema(
      features: configuration.table.features, target: target, in: dataset)
    return .ofMatrix(schema, in: dataset, target: target, gramMatrices: 3)
  }

  func makeFit(
    _ configuration: LinearRegressionConfiguration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit {
    try LinearRegressionFit(
      configuration, dataset: dataset, workers: workers, instructionSet: instructionSet)
  }

  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation {
    let path = "model.json.model"
    let encoding = try FeatureEncoding(description["encoding"], path: "\(path).encoding")
    return LinearRegressionModel(
      encoding, coefficients: try weights.values("coefficients", shape: [encoding.width]),
      intercept: try weights.values("intercept", as: Double.self, shape: [1])[0],
      maxBatchSize: try ServedBatch.read(description, path: path))
  }
}

extension MemoryEstimate {
  /// What a family over a matrix of floats takes: the matrix and some (columns, columns) matrices of
  /// doubles.
  static func ofMatrix(
    _ schema: TableSchema, in dataset: DataSetDescription, target: String?, gramMatrices: Int
  ) -> MemoryEstimate {
    let rows =
      schema.sources.first.flatMap { dataset["train/\($0.name)"]?.shape.first } ?? 0
    let columns = schema.columnCount
    // Saturating: an estimate of too much is too much.
    let matrix = Extents.product([rows, columns, 4]) ?? Int.max / 4
    let gram = Extents.product([columns, columns, 8 * gramMatrices]) ?? Int.max / 4
    return MemoryEstimate(
      inferenceByteCount: columns * 16,
      trainingByteCount: min(matrix, Int.max / 4) + min(gram, Int.max / 4))
  }
}

/// The rows of one call, as `model.json` keeps them.
enum ServedBatch {
  static let key = "max_batch_size"

  static func read(_ description: JSONValue, path: String) throws(PluginError) -> Int {
    guard case .number(_, let text)? = description[key], let size = Int(text),
      (1...4096).contains(size)
    else {
      throw PluginError(
        field: "\(path).\(key)",
        "expected an integer in 1...4096, came \(description[key]?.excerpt ?? "nothing")")
    }
    return size
  }
}
