// SPDX-License-Identifier: Apache-2.0
import Glibc
import Runtime

/// Fits a Gaussian mixture by expectation maximisation (Dempster, Laird and Rubin, "Maximum
/// likelihood from incomplete data via the EM algorithm", 1977), from the clusters of k-means.
final class GaussianMixtureFit: FamilyFit {
  let sampleCount: Int
  let iterationCount: Int
  private(set) var isComplete = false

  private let configuration: GaussianMixtureConfiguration
  private let seed: UInt64
  private let dataset: DataSetView
  private let data: UnsupervisedData
  private let workers: WorkerPool
  private let instructionSet: InstructionSet
  private var weights: [Double] = []
  private var means: [Double] = []
  private var covariances: [Double] = []
  private var logLikelihood = -Double.infinity

  private var isDiagonal: Bool {
    configuration.covariance == .diag || configuration.covariance == .spherical
  }

  init(
    _ configuration: GaussianMixtureConfiguration, seed: UInt64, dataset: DataSetView,
    workers: WorkerPool, instructionSet: InstructionSet
  ) throws(PluginError) {
    data = try UnsupervisedData(configuration.table, configuration.scaling, in: dataset)
    guard configuration.components <= data.x.rows else {
      throw PluginError(
        field: "configuration.components",
        "expected at most \(data.x.rows), the number of rows in train, came"
          + " \(configuration.components)")
    }
    self.configuration = configuration
    self.seed = seed
    self.dataset = dataset
    self.workers = workers
    self.instructionSet = instructionSet
    sampleCount = data.x.rows
    iterationCount = configuration.maxIterations
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    if weights.isEmpty { try maximise(try initialResponsibilities(observer)) }
    let (responsibilities, likelihood) = try expectations(data.x)
    try observer.progress(samplesDone: sampleCount)
    try maximise(responsibilities)
    try observer.progress(samplesDone: sampleCount)
    isComplete = abs(likelihood - logLikelihood) < configuration.tolerance
    logLikelihood = likelihood
    return [TrainingMetric(name: "log_likelihood", value: likelihood)]
  }

  /// 1 for each row in the cluster that k-means gives it.
  private func initialResponsibilities(
    _ observer: TrainingObserver
  ) throws(PluginError) -> [Double] {
    let k = configuration.components
    let json: JSONValue = ["clusters": .integer(k)]
    var settings = try KMeansConfiguration(json)
    settings.table = configuration.table
    settings.scaling = configuration.scaling
    let clustering = try KMeansFit(
      settings, seed: seed, dataset: dataset, workers: workers, instructionSet: instructionSet)
    for iteration in 1...clustering.iterationCount where !clustering.isComplete {
      _ = try clustering.iterate(iteration, observer: observer)
    }
    var result = [Double](repeating: 0, count: sampleCount * k)
    for (row, cluster) in clustering.clusters.enumerated() { result[row * k + Int(cluster)] = 1 }
    return result
  }

  /// Of each row the probability of each component, and the mean log likelihood.
  private func expectations(
    _ x: FeatureMatrix
  ) throws(PluginError) -> (responsibilities: [Double], logLikelihood: Double) {
    let densities = try GaussianDensities(
      weights: weights, means: means, covariances: covariances, isDiagonal: isDiagonal,
      columns: x.columns, instructionSet: instructionSet)
    let (k, rows) = (weights.count, GaussianDensities.blockRows)
    var result = [Double](repeating: 0, count: x.rows * k)
    var sums = [Double](repeating: 0, count: (x.rows + rows - 1) / rows)
    let scratchCount = densities.scratchCount
    let scratch = UnsafeMutablePointer<Float>.allocate(capacity: workers.threadCount * scratchCount)
    defer { scratch.deallocate() }
    let blocks = sums.count
    result.withUnsafeMutableBufferPointer { result in
      sums.withUnsafeMutableBufferPointer { sums in
        guard let out = result.baseAddress, let totals = sums.baseAddress else { return }
        // SAFETY: each block writes its own rows and sum, each worker its own scratch.
        nonisolated(unsafe) let (out2, totals2, memory) = (out, totals, scratch)
        workers.parallelTiles(blocks) { block, worker in
          let start = block * rows
          let count = min(rows, x.rows - start)
          densities.logDensities(
            x.values + start * x.columns, rows: count, into: out2 + start * k,
            scratch: memory + worker * scratchCount)
          for row in start..<start + count {
            totals2[block] += GaussianDensities.normalise(out2 + row * k, count: k)
          }
        }
      }
    }
    return (result, sums.reduce(0, +) / Double(x.rows))
  }

  /// Weights, means and covariances of rows that belong to components in parts.
  private func maximise(_ responsibilities: [Double]) throws(PluginError) {
    let (x, k, d, n) = (data.x, configuration.components, data.x.columns, sampleCount)
    let passes = RowPasses(workers: workers)
    let gram = GramMatrix(workers: workers, instructionSet: instructionSet)
    weights = [Double](repeating: 0, count: k)
    means = [Double](repeating: 0, count: k * d)
    covariances = [Double](repeating: 0, count: isDiagonal ? k * d : k * d * d)
    var tied = [Double](repeating: 0, count: configuration.covariance == .tied ? d * d : 0)
    for component in 0..<k {
      let parts = (0..<n).map { responsibilities[$0 * k + component] }
      // Never 0, so that a component without rows keeps a density.
      let size = parts.reduce(0, +) + 10 * Double.ulpOfOne
      weights[component] = size / Double(n)
      let mean = passes.weightedColumnSums(of: x, weights: parts).map { $0 / size }
      for column in 0..<d { means[component * d + column] = mean[column] }
      if isDiagonal {
        var variances = passes.sums(rows: n, count: d) { rows, sums in
          for row in rows {
            for column in 0..<d {
              let deviation = Double(x.values[row &* d &+ column]) - mean[column]
              sums[column] += parts[row] * deviation * deviation
            }
          }
        }.map { $0 / size + configuration.regularization }
        if configuration.covariance == .spherical {
          let common = variances.reduce(0, +) / Double(d)
          variances = variances.map { _ in common }
        }
        for column in 0..<d { covariances[component * d + column] = variances[column] }
        continue
      }
      let scatter = gram.compute(
        x.values, rows: n, columns: d, stride: d, shift: mean,
        weights: parts.map { $0.squareRoot() })
      if configuration.covariance == .tied {
        for index in tied.indices { tied[index] += scatter[index] / Double(n) }
      } else {
        for index in 0..<d * d { covariances[component * d * d + index] = scatter[index] / size }
        for column in 0..<d {
          covariances[component * d * d + column * d + column] += configuration.regularization
        }
      }
    }
    if configuration.covariance == .tied {
      for column in 0..<d { tied[column * d + column] += configuration.regularization }
      for component in 0..<k {
        for index in tied.indices { covariances[component * d * d + index] = tied[index] }
      }
    }
    let total = weights.reduce(0, +)
    weights = weights.map { $0 / total }
  }

  func evaluate(
    split: String, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    guard !weights.isEmpty else {
      throw PluginError(.failedPrecondition, "nothing is fitted yet")
    }
    let x = try FeatureMatrix(data.encoding, split: split, in: dataset)
    return [
      TrainingMetric(name: "log_likelihood", value: try expectations(x).logLikelihood)
    ]
  }

  func state() -> TensorBundle {
    var bundle = TensorBundle()
    bundle.set("weights", weights)
    bundle.set("means", means)
    bundle.set("covariances", covariances)
    bundle.set("scalars", [isComplete ? 1 : 0, logLikelihood])
    return bundle
  }

  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError) {
    let scalars = try state.values("scalars", as: Double.self, shape: [2])
    let (k, d) = (iteration > 0 ? configuration.components : 0, data.x.columns)
    weights = try state.values("weights", shape: [k])
    means = try state.values("means", shape: [k * d])
    covariances = try state.values("covariances", shape: [isDiagonal ? k * d : k * d * d])
    isComplete = scalars[0] != 0
    logLikelihood = scalars[1]
  }

  func export() throws(PluginError) -> FittedModel {
    guard !weights.isEmpty else {
      throw PluginError(.failedPrecondition, "nothing is fitted yet")
    }
    let (k, d) = (weights.count, data.x.columns)
    var bundle = TensorBundle()
    bundle.set("weights", weights)
    bundle.set("means", means, shape: [k, d])
    bundle.set("covariances", covariances, shape: isDiagonal ? [k, d] : [k, d, d])
    return FittedModel(
      description: [
        "encoding": data.encoding.json,
        "max_batch_size": .integer(configuration.table.maxBatchSize),
      ], weights: bundle, report: report())
  }

  private func report() -> Report {
    let (k, d, n) = (weights.count, data.x.columns, Double(sampleCount))
    var report = Report(
      family: GaussianMixtureFamily.name,
      title: "Gaussian mixture, \(k) components of \(d) columns, \(sampleCount) rows")
    report.fact("covariance", "covariance", .string(configuration.covariance.rawValue))
    report.fact("converged", "converged", .bool(isComplete))
    report.fact("log_likelihood", "mean log likelihood", .number(logLikelihood))
    let shape: Int =
      switch configuration.covariance {
      case .full: k * d * (d + 1) / 2
      case .tied: d * (d + 1) / 2
      case .diag: k * d
      case .spherical: k
      }
    let parameters = Double(shape + k * d + k - 1)
    report.fact(
      "bic", "BIC", .number(-2 * logLikelihood * n + parameters * log(n)))
    report.fact("aic", "AIC", .number(-2 * logLikelihood * n + 2 * parameters))
    let names = data.encoding.names
    let shown = d <= 64 ? d : 0
    report.table(
      "components", "Components", columns: ["component", "weight"] + names.prefix(shown),
      rows: (0..<k).map { component in
        [.integer(component), .number(weights[component])]
          + (0..<shown).map { .number(means[component * d + $0]) }
      })
    return report
  }
}
