// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Fits a linear regression as a whole: one pass for the Gram matrix of the centred columns, in
/// double precision, a solution, and for least squares and ridge one step of refinement with the
/// residuals of the data themselves (Björck, "Stability analysis of the method of seminormal
/// equations", 1987), which brings back what squaring the condition number lost.
final class LinearRegressionFit: FamilyFit {
  let sampleCount: Int
  let iterationCount = 1
  private(set) var isComplete = false

  private let configuration: LinearRegressionConfiguration
  private let encoding: FeatureEncoding
  private let dataset: DataSetView
  private let x: FeatureMatrix
  private let y: [Float]
  private let passes: RowPasses
  private let gramMatrix: GramMatrix
  private var solution = Solution()

  /// What was found.
  private struct Solution {
    var coefficients: [Double] = []
    var intercept = 0.0
    /// NaN where there is none: of a penalised fit, of a column that depends on others.
    var standardErrors: [Double] = []
    var interceptError = Double.nan
    var residualDeviation = 0.0
    var r2 = 0.0
    var dependent: [Int] = []
    var sweeps = 0
    var dualityGap = 0.0
  }

  init(
    _ configuration: LinearRegressionConfiguration, dataset: DataSetView, workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    let target = configuration.table.target ?? ""
    let schema = try TableSchema(
      features: configuration.table.features, target: target, in: dataset.description,
      view: dataset)
    encoding = FeatureEncoding(
      schema: schema, scale: configuration.scaling.scale, offset: configuration.scaling.offset)
    x = try FeatureMatrix(encoding, split: "train", in: dataset)
    y = try NumericTarget.read(target: target, split: "train", in: dataset)
    self.configuration = configuration
    self.dataset = dataset
    sampleCount = x.rows
    passes = RowPasses(workers: workers)
    gramMatrix = GramMatrix(workers: workers, instructionSet: instructionSet)
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let (n, d) = (x.rows, x.columns)
    let center = configuration.fitIntercept
    let targetMean = center ? y.reduce(0.0) { $0 + Double($1) } / Double(n) : 0
    let centred = y.map { Double($0) - targetMean }
    let (sums, raw) = passes.columnSums(of: x, weights: centred)
    let means = center ? sums.map { $0 / Double(n) } : [Double](repeating: 0, count: d)
    var products = raw
    if center {
      // The weights add up to 0 but for rounding.
      let sum = centred.reduce(0, +)
      for column in 0..<d { products[column] -= sum * means[column] }
    }
    switch configuration.penalty {
    case .none, .ridge:
      let gram = gramMatrix.compute(
        x.values, rows: n, columns: d, stride: d, shift: center ? means : nil,
        isCancelled: { observer.isCancelled })
      try observer.progress(samplesDone: n)
      solveNormalEquations(gram, products, means: means, targetMean: targetMean)
    case .lasso, .elasticNet:
      let scale = configuration.alpha * Double(n)
      let found = WorkingSet(
        x: x, means: means, target: centred, products: products,
        l1: scale * configuration.l1Ratio, l2: scale * (1 - configuration.l1Ratio),
        passes: passes, gramMatrix: gramMatrix
      ).solve(
        maxSweeps: configuration.maxSweeps, tolerance: configuration.tolerance,
        isCancelled: { observer.isCancelled })
      solution.coefficients = found.coefficients
      solution.sweeps = found.sweeps
      solution.dualityGap = found.dualityGap
    }
    try observer.progress(samplesDone: n)
    solution.intercept =
      targetMean - zip(solution.coefficients, means).reduce(0) { $0 + $1.0 * $1.1 }
    isComplete = true
    return finish()
  }

  private func solveNormalEquations(
    _ gram: [Double], _ products: [Double], means: [Double], targetMean: Double
  ) {
    let (n, d) = (x.rows, x.columns)
    let alpha = configuration.penalty == .ridge ? configuration.alpha : 0
    var penalised = gram
    for column in 0..<d { penalised[column * d + column] += alpha }
    let (factor, dependent) = SymmetricMatrix.cholesky(penalised, count: d)
    var w = SymmetricMatrix.solve(factor, dependent: dependent, count: d, products)
    let intercept = targetMean - zip(w, means).reduce(0) { $0 + $1.0 * $1.1 }
    let (residualProducts, sum) = passes.residualProducts(
      of: x, targets: y, coefficients: w, intercept: intercept)
    let gradient = (0..<d).map {
      residualProducts[$0] - sum * means[$0] - alpha * w[$0]
    }
    let step = SymmetricMatrix.solve(factor, dependent: dependent, count: d, gradient)
    for column in 0..<d { w[column] += step[column] }
    solution.coefficients = w
    solution.dependent = dependent
    if configuration.penalty == .none {
      // diag(G⁻¹) = the squared columns of L⁻¹.
      let inverse = SymmetricMatrix.inverseOfLower(factor, count: d)
      var variances = [Double](repeating: 0, count: d)
      var meanVariance = 0.0
      for row in 0..<d where !dependent.contains(row) {
        var projection = 0.0
        for column in 0...row {
          let element = inverse[row * d + column]
          variances[column] += element * element
          projection += element * means[column]
        }
        meanVariance += projection * projection
      }
      solution.standardErrors = variances.enumerated().map {
        dependent.contains($0) ? .nan : $1.squareRoot()
      }
      solution.interceptError =
        configuration.fitIntercept ? (1 / Double(n) + meanVariance).squareRoot() : .nan
    }
  }

  /// Residual variance, standard errors in units of the target, and the metrics of training.
  private func finish() -> [TrainingMetric] {
    let predictions = passes.predictions(
      of: x, coefficients: solution.coefficients, intercept: solution.intercept)
    let metrics = Metrics.regression(predictions, targets: y)
    let squares = (metrics.first { $0.name == "loss" }?.value ?? 0) * Double(x.rows)
    let parameters =
      x.columns - solution.dependent.count + (configuration.fitIntercept ? 1 : 0)
    let freedom = x.rows - parameters
    solution.residualDeviation = freedom > 0 ? (squares / Double(freedom)).squareRoot() : .nan
    solution.standardErrors = solution.standardErrors.map { $0 * solution.residualDeviation }
    solution.interceptError *= solution.residualDeviation
    solution.r2 = metrics.first { $0.name == "r2" }?.value ?? 0
    return metrics
  }

  func evaluate(
    split: String, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let x = try FeatureMatrix(encoding, split: split, in: dataset)
    let y = try NumericTarget.read(
      target: configuration.table.target ?? "", split: split, in: dataset)
    guard isComplete else { throw PluginError(.failedPrecondition, "nothing is fitted yet") }
    return Metrics.regression(
      passes.predictions(
        of: x, coefficients: solution.coefficients, intercept: solution.intercept), targets: y)
  }

  func state() -> TensorBundle {
    var bundle = TensorBundle()
    bundle.set("coefficients", solution.coefficients)
    bundle.set("standard_errors", solution.standardErrors)
    bundle.set("dependent", solution.dependent.map(Int64.init))
    bundle.set(
      "scalars",
      [
        isComplete ? 1 : 0, solution.intercept, solution.interceptError,
        solution.residualDeviation, solution.r2, Double(solution.sweeps), solution.dualityGap,
      ])
    return bundle
  }

  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError) {
    let scalars = try state.values("scalars", as: Double.self, shape: [7])
    solution.coefficients = try state.values("coefficients")
    solution.standardErrors = try state.values("standard_errors")
    solution.dependent = try state.values("dependent", as: Int64.self).map { Int($0) }
    guard iteration == Int(scalars[0]),
      [0, x.columns].contains(solution.coefficients.count),
      [0, x.columns].contains(solution.standardErrors.count),
      solution.dependent.allSatisfy({ (0..<x.columns).contains($0) })
    else { throw PluginError(.dataLoss, "the checkpoint contradicts itself") }
    isComplete = iteration > 0
    solution.intercept = scalars[1]
    solution.interceptError = scalars[2]
    solution.residualDeviation = scalars[3]
    solution.r2 = scalars[4]
    solution.sweeps = Int(max(0, min(scalars[5], 1e9)))
    solution.dualityGap = scalars[6]
  }

  func export() throws(PluginError) -> FittedModel {
    guard isComplete else { throw PluginError(.failedPrecondition, "nothing is fitted yet") }
    var weights = TensorBundle()
    weights.set("coefficients", solution.coefficients)
    weights.set("intercept", [solution.intercept])
    return FittedModel(
      description: [
        "encoding": encoding.json,
        "target": .string(configuration.table.target ?? ""),
        "max_batch_size": .integer(configuration.table.maxBatchSize),
      ], weights: weights, report: report())
  }

  private func report() -> Report {
    let target = configuration.table.target ?? ""
    var report = Report(
      family: LinearRegressionFamily.name,
      title: "linear regression of \(target) on \(x.columns) columns, \(x.rows) rows")
    report.fact("penalty", "penalty", .string(configuration.penalty.rawValue))
    if configuration.penalty != .none {
      report.fact("alpha", "alpha", .number(configuration.alpha))
    }
    report.fact("r2", "R² in training", .number(solution.r2))
    report.fact(
      "residual_deviation", "residual deviation", .number(solution.residualDeviation))
    if solution.sweeps > 0 {
      report.fact("sweeps", "sweeps", .integer(solution.sweeps))
      report.fact("duality_gap", "duality gap", .number(solution.dualityGap))
    }
    let names = encoding.names
    if !solution.dependent.isEmpty {
      report.fact(
        "dependent", "depend on others",
        .strings(solution.dependent.prefix(100).map { names[$0] }))
    }
    var rows: [[JSONValue]] = []
    let hasErrors = !solution.standardErrors.isEmpty
    func row(_ name: String, _ value: Double, _ error: Double) -> [JSONValue] {
      hasErrors
        ? [.string(name), .number(value), .number(error), .number(value / error)]
        : [.string(name), .number(value)]
    }
    if configuration.fitIntercept {
      rows.append(row("(intercept)", solution.intercept, solution.interceptError))
    }
    for (index, name) in names.enumerated() {
      let error = hasErrors ? solution.standardErrors[index] : .nan
      rows.append(row(name, solution.coefficients[index], error))
    }
    report.table(
      "coefficients", "Coefficients",
      columns: hasErrors
        ? ["column", "coefficient", "standard_error", "t"] : ["column", "coefficient"],
      rows: rows)
    return report
  }
}
