// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Fits a logistic regression, one quasi-Newton step an iteration.
///
/// Minimises mean log loss + penalty(w) / (c · rows). The steps are taken in standardised variables,
/// u = w · deviation and an intercept at the mean of the data: the same function, but round, so that
/// fewer steps lead to its minimum; the data themselves are left as they are.
final class LogisticRegressionFit: FamilyFit {
  let sampleCount: Int
  let iterationCount: Int
  var isComplete: Bool { optimum.hasConverged }

  let configuration: LogisticRegressionConfiguration
  let encoding: FeatureEncoding
  private let dataset: DataSetView
  let names: ClassNames
  let x: FeatureMatrix
  private let objective: LogisticObjective
  let columns: Int
  let logits: Int
  let means: [Double]
  let deviations: [Double]
  private let optimizer: QuasiNewton
  private(set) var optimum: QuasiNewton.State
  private(set) var last: (loss: Double, correct: Int) = (0, 0)
  let workers: WorkerPool
  let instructionSet: InstructionSet

  init(
    _ configuration: LogisticRegressionConfiguration, dataset: DataSetView, workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    let target = configuration.table.target ?? ""
    let schema = try TableSchema(
      features: configuration.table.features, target: target, in: dataset.description,
      view: dataset)
    encoding = FeatureEncoding(
      schema: schema, scale: configuration.scaling.scale, offset: configuration.scaling.offset)
    let labels = try ClassLabels(target: target, split: "train", in: dataset)
    let x = try FeatureMatrix(encoding, split: "train", in: dataset)
    self.configuration = configuration
    self.dataset = dataset
    self.x = x
    self.workers = workers
    self.instructionSet = instructionSet
    names = labels.names
    objective = LogisticObjective(
      x, labels: labels.codes, classes: names.count, workers: workers,
      instructionSet: instructionSet)
    columns = x.columns
    logits = objective.logits
    sampleCount = x.rows
    iterationCount = configuration.maxIterations
    let passes = RowPasses(workers: workers)
    let means = passes.columnSums(of: x).map { $0 / Double(x.rows) }
    deviations = Self.scales(
      passes.squaredDeviations(of: x, means: means).map { $0 / Double(x.rows) }, of: encoding)
    self.means = configuration.fitIntercept ? means : means.map { _ in 0 }
    var l1: [Double] = []
    if configuration.penalty == .l1 {
      let strength = 1 / (configuration.c * Double(x.rows))
      for _ in 0..<logits { l1 += deviations.map { strength / $0 } }
      l1 += [Double](repeating: 0, count: logits)
    }
    optimizer = QuasiNewton(l1: l1, tolerance: configuration.tolerance)
    optimum = QuasiNewton.State(
      point: [Double](repeating: 0, count: logits * (x.columns + 1)))
  }

  /// The deviation of each column; the columns of one matrix share a unit and so one scale, or those
  /// that are nearly constant would be stretched beyond all others.
  private static func scales(_ variances: [Double], of encoding: FeatureEncoding) -> [Double] {
    var scales: [Double] = []
    for source in encoding.schema.sources {
      if source.shape.isEmpty {
        var width = 1
        if case .categorical(let categories) = source.kind { width = max(0, categories.count - 1) }
        scales += variances[scales.count..<scales.count + width].map { $0.squareRoot() }
      } else {
        let part = variances[scales.count..<scales.count + source.width]
        let mean = part.reduce(0, +) / Double(part.count)
        scales += part.map { _ in mean.squareRoot() }
      }
    }
    // A constant column has no scale; its coefficient stays 0.
    return scales.map { $0 > 0 ? $0 : 1 }
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    var next = optimum
    var (loss, correct) = (last.loss, last.correct)
    optimizer.step(&next) { point in
      // A cancelled step is thrown away below.
      if observer.isCancelled { return (-.infinity, [Double](repeating: 0, count: point.count)) }
      let found = evaluate(point)
      (loss, correct) = (found.loss, found.correct)
      return (found.value, found.gradient)
    }
    try observer.progress(samplesDone: sampleCount)
    guard next.value.isFinite else {
      throw PluginError(
        .aborted, "the loss is \(next.value) in iteration \(iteration); scale the features")
    }
    optimum = next
    last = (loss, correct)
    return [
      TrainingMetric(name: "loss", value: loss),
      TrainingMetric(name: "accuracy", value: Double(correct) / Double(sampleCount)),
      TrainingMetric(name: "objective", value: optimum.value),
    ]
  }

  /// The smooth part of the objective, and its gradient, in the standardised variables.
  private func evaluate(
    _ point: [Double]
  ) -> (value: Double, gradient: [Double], loss: Double, correct: Int) {
    let parameters = self.parameters(point)
    let found = objective.evaluate(parameters)
    let strength =
      configuration.penalty == .l2 ? 1 / (configuration.c * Double(sampleCount)) : 0
    var squares = 0.0
    var gradient = [Double](repeating: 0, count: point.count)
    for logit in 0..<logits {
      let interceptSlope =
        configuration.fitIntercept ? found.gradient.intercepts[logit] : 0
      for column in 0..<columns {
        let index = logit * columns + column
        let w = parameters.coefficients[index]
        squares += w * w
        gradient[index] =
          (found.gradient.coefficients[index] - means[column] * interceptSlope + strength * w)
          / deviations[column]
      }
      gradient[logits * columns + logit] = interceptSlope
    }
    return (found.loss + strength / 2 * squares, gradient, found.loss, found.correct)
  }

  /// Coefficients and intercepts of the data as they are.
  private func parameters(_ point: [Double]) -> LogisticObjective.Parameters {
    var coefficients = [Double](repeating: 0, count: logits * columns)
    var intercepts = [Double](repeating: 0, count: logits)
    for logit in 0..<logits {
      var shift = 0.0
      for column in 0..<columns {
        let w = point[logit * columns + column] / deviations[column]
        coefficients[logit * columns + column] = w
        shift += w * means[column]
      }
      intercepts[logit] = point[logits * columns + logit] - shift
    }
    return LogisticObjective.Parameters(coefficients: coefficients, intercepts: intercepts)
  }

  func evaluate(
    split: String, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let x = try FeatureMatrix(encoding, split: split, in: dataset)
    let labels = try ClassLabels(
      target: configuration.table.target ?? "", split: split, in: dataset, known: names)
    return Metrics.classification(
      probabilities(of: x), labels: labels.codes, classes: names.count)
  }

  /// (rows, classes), at the present parameters.
  func probabilities(of x: FeatureMatrix) -> [Float] {
    let classifier = LinearClassifier(
      parameters(optimum.point), classes: names.count, columns: columns,
      instructionSet: instructionSet)
    var probabilities = [Float](repeating: 0, count: x.rows * names.count)
    let parts = RowPasses.parts(of: x.rows)
    probabilities.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      // SAFETY: each part writes its own rows.
      nonisolated(unsafe) let out = base
      workers.parallelFor(parts.count) { part in
        let rows = parts[part]
        classifier.probabilities(
          x.values + rows.lowerBound * columns, rows: rows.count,
          into: out + rows.lowerBound * names.count)
      }
    }
    return probabilities
  }

  func state() -> TensorBundle {
    var bundle = TensorBundle()
    bundle.set("point", optimum.point)
    bundle.set("gradient", optimum.gradient)
    bundle.set("steps_s", optimum.steps.flatMap(\.s))
    bundle.set("steps_y", optimum.steps.flatMap(\.y))
    bundle.set(
      "scalars",
      [optimum.value, optimum.hasConverged ? 1 : 0, last.loss, Double(last.correct)])
    return bundle
  }

  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError) {
    let count = optimum.point.count
    let scalars = try state.values("scalars", as: Double.self, shape: [4])
    let gradient = try state.values("gradient", as: Double.self)
    let s = try state.values("steps_s", as: Double.self)
    let y = try state.values("steps_y", as: Double.self)
    let steps = s.count / count
    guard [0, count].contains(gradient.count), s.count == y.count, s.count == steps * count,
      steps <= QuasiNewton.memory
    else { throw PluginError(.dataLoss, "the checkpoint contradicts itself") }
    optimum.point = try state.values("point", shape: [count])
    optimum.gradient = gradient
    optimum.steps = (0..<steps).map {
      (Array(s[$0 * count..<($0 + 1) * count]), Array(y[$0 * count..<($0 + 1) * count]))
    }
    optimum.value = scalars[0]
    optimum.hasConverged = scalars[1] != 0
    last = (scalars[2], Int(max(0, min(scalars[3], Double(sampleCount)))))
  }

  func export() throws(PluginError) -> FittedModel {
    let parameters = parameters(optimum.point)
    var weights = TensorBundle()
    weights.set(
      "coefficients", parameters.coefficients.map { Float($0) }, shape: [logits, columns])
    weights.set("intercepts", parameters.intercepts.map { Float($0) })
    return FittedModel(
      description: [
        "encoding": encoding.json, "classes": names.json,
        "target": .string(configuration.table.target ?? ""),
        "max_batch_size": .integer(configuration.table.maxBatchSize),
      ], weights: weights, report: report(parameters))
  }
}
