// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Finds principal components as a whole: the covariance matrix in double precision, its largest
/// eigenvalues and their vectors (Pearson, "On lines and planes of closest fit", 1901).
final class PrincipalComponentsFit: FamilyFit {
  let sampleCount: Int
  let iterationCount = 1
  private(set) var isComplete = false

  private let configuration: PrincipalComponentsConfiguration
  private let dataset: DataSetView
  private let data: UnsupervisedData
  private let count: Int
  private let seed: UInt64
  private let workers: WorkerPool
  private let instructionSet: InstructionSet
  private var means: [Double] = []
  /// (count, columns), of length 1.
  private var components: [Double] = []
  private var variances: [Double] = []
  private var totalVariance = 0.0

  /// From here on few components are found without the rest.
  private static let largeMatrix = 256

  init(
    _ configuration: PrincipalComponentsConfiguration, seed: UInt64, dataset: DataSetView,
    workers: WorkerPool, instructionSet: InstructionSet
  ) throws(PluginError) {
    data = try UnsupervisedData(configuration.table, configuration.scaling, in: dataset)
    let most = min(data.x.rows, data.x.columns)
    guard data.x.rows >= 2 else {
      throw PluginError(.failedPrecondition, "expected two rows or more in train, came one")
    }
    if let asked = configuration.components, asked > most {
      throw PluginError(
        field: "configuration.components",
        "expected at most \(most), the smaller of \(data.x.rows) rows and \(data.x.columns)"
          + " columns, came \(asked)")
    }
    count = configuration.components ?? most
    self.configuration = configuration
    self.dataset = dataset
    self.seed = seed
    self.workers = workers
    self.instructionSet = instructionSet
    sampleCount = data.x.rows
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let (x, d) = (data.x, data.x.columns)
    means = RowPasses(workers: workers).columnSums(of: x).map { $0 / Double(x.rows) }
    var covariance = GramMatrix(workers: workers, instructionSet: instructionSet).compute(
      x.values, rows: x.rows, columns: d, stride: d, shift: means,
      isCancelled: { observer.isCancelled })
    try observer.progress(samplesDone: x.rows)
    for index in covariance.indices { covariance[index] /= Double(x.rows - 1) }
    totalVariance = (0..<d).reduce(0) { $0 + covariance[$1 * d + $1] }
    guard totalVariance > 0 else {
      throw PluginError(
        field: "configuration.features", "expected columns that vary, but all are constant")
    }
    var found: (values: [Double], vectors: [Double])?
    if d > Self.largeMatrix {
      found = LanczosIteration.largest(
        count, of: covariance, size: d, seed: seed, workers: workers)
    }
    let pairs = found ?? SymmetricMatrix.eigen(covariance, count: d)
    variances = pairs.values.prefix(count).map { max(0, $0) }
    components = Array(pairs.vectors.prefix(count * d))
    fixSigns(columns: d)
    isComplete = true
    return [
      TrainingMetric(
        name: "explained_variance", value: variances.reduce(0, +) / totalVariance)
    ]
  }

  /// A component and its negative are the same: the largest element is made positive.
  private func fixSigns(columns d: Int) {
    for row in 0..<count {
      var largest = 0.0
      for column in 0..<d where abs(components[row * d + column]) > abs(largest) {
        largest = components[row * d + column]
      }
      if largest < 0 {
        for column in 0..<d { components[row * d + column].negate() }
      }
    }
  }

  func evaluate(
    split: String, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    guard isComplete else { throw PluginError(.failedPrecondition, "nothing is fitted yet") }
    let x = try FeatureMatrix(data.encoding, split: split, in: dataset)
    let d = x.columns
    // Of each row: its squared distance from the mean, and the part that the components hold.
    let sums = RowPasses(workers: workers).sums(rows: x.rows, count: 2) { rows, sums in
      components.withUnsafeBufferPointer { components in
        means.withUnsafeBufferPointer { means in
          guard let axes = components.baseAddress, let means = means.baseAddress else { return }
          var centred = [Double](repeating: 0, count: d)
          for row in rows {
            for column in 0..<d {
              centred[column] = Double(x.values[row * d + column]) - means[column]
            }
            centred.withUnsafeBufferPointer { centred in
              guard let values = centred.baseAddress else { return }
              sums[0] += dot(values, values, count: d)
              for index in 0..<count {
                let projection = dot(values, axes + index * d, count: d)
                sums[1] += projection * projection
              }
            }
          }
        }
      }
    }
    return [
      TrainingMetric(
        name: "reconstruction_error", value: max(0, sums[0] - sums[1]) / Double(x.rows)),
      TrainingMetric(
        name: "explained_variance", value: sums[0] > 0 ? sums[1] / sums[0] : 1),
    ]
  }

  func state() -> TensorBundle {
    var bundle = TensorBundle()
    bundle.set("means", means)
    bundle.set("components", components)
    bundle.set("variances", variances)
    bundle.set("scalars", [isComplete ? 1 : 0, totalVariance])
    return bundle
  }

  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError) {
    let scalars = try state.values("scalars", as: Double.self, shape: [2])
    let (k, d) = iteration > 0 ? (count, data.x.columns) : (0, 0)
    means = try state.values("means", shape: [d])
    components = try state.values("components", shape: [k * d])
    variances = try state.values("variances", shape: [k])
    totalVariance = scalars[1]
    isComplete = iteration > 0
  }

  func export() throws(PluginError) -> FittedModel {
    guard isComplete else { throw PluginError(.failedPrecondition, "nothing is fitted yet") }
    let d = data.x.columns
    var axes = components
    if configuration.whiten {
      for row in 0..<count {
        let deviation = variances[row].squareRoot()
        let scale = deviation > 1e-12 ? 1 / deviation : 0
        for column in 0..<d { axes[row * d + column] *= scale }
      }
    }
    var weights = TensorBundle()
    weights.set("components", axes, shape: [count, d])
    weights.set("means", means)
    weights.set("explained_variance", variances)
    return FittedModel(
      description: [
        "encoding": data.encoding.json, "whiten": .bool(configuration.whiten),
        "max_batch_size": .integer(configuration.table.maxBatchSize),
      ], weights: weights, report: report())
  }

  private func report() -> Report {
    let d = data.x.columns
    var report = Report(
      family: PrincipalComponentsFamily.name,
      title: "\(count) principal components of \(d) columns, \(sampleCount) rows")
    report.fact("total_variance", "total variance", .number(totalVariance))
    report.fact(
      "explained_variance", "explained variance",
      .number(variances.reduce(0, +) / totalVariance))
    let names = data.encoding.names
    var sum = 0.0
    let rows = (0..<count).map { index -> [JSONValue] in
      sum += variances[index]
      let loadings = (0..<d).map { components[index * d + $0] }
      let strongest = (0..<d).sorted {
        abs(loadings[$0]) != abs(loadings[$1]) ? abs(loadings[$0]) > abs(loadings[$1]) : $0 < $1
      }.prefix(3).map { "\(names[$0]) \(Report.shortened(loadings[$0], digits: 3))" }
      return [
        .integer(index + 1), .number(variances[index]), .number(variances[index] / totalVariance),
        .number(sum / totalVariance), .string(strongest.joined(separator: ", ")),
      ]
    }
    report.table(
      "components", "Components",
      columns: ["component", "variance", "ratio", "cumulative", "largest_loadings"], rows: rows)
    return report
  }
}
