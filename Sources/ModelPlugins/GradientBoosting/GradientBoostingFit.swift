// SPDX-License-Identifier: Apache-2.0
import Runtime
import Synchronization

/// Boosting, one round an iteration: a tree for each output.
final class GradientBoostingFit: FamilyFit {
  let sampleCount: Int
  let iterationCount: Int
  private(set) var isComplete = false

  let configuration: GradientBoostingConfiguration
  let task: TreeTask
  let data: TreeData
  private let dataset: DataSetView
  private let objective: BoostingObjective
  private let rows: BoostingRows
  private let grower: BoostedTreeGrower
  private let workers: WorkerPool
  private let kernels: TreeKernels
  private let start: [Double]

  private(set) var ensemble: TreeEnsemble
  /// What the splits along each column gained.
  private(set) var gains: [Double]
  /// The loss after each round.
  private(set) var curve: [BoostingCurvePoint] = []
  /// The trees' sums so far (outputs, rows).
  private let scores: TreeMemory<Double>
  private let gradients: TreeMemory<Float>
  private let hessians: TreeMemory<Float>

  init(
    _ configuration: GradientBoostingConfiguration, seed: UInt64, dataset: DataSetView,
    workers: WorkerPool, instructionSet: InstructionSet
  ) throws(PluginError) {
    kernels = TreeKernels(instructionSet)
    task = try configuration.task(in: dataset.description)
    data = try TreeData(
      configuration.table, task: task, dataset: dataset, maxBins: configuration.maxBins,
      isExact: false, orders: .groups, seed: seed, workers: workers, kernels: kernels)
    sampleCount = data.table.rowCount
    switch data.target {
    case .numbers(let numbers): objective = .squaredError(numbers)
    case .classes(let labels):
      objective =
        labels.names.count == 2
        ? .logistic(labels.codes) : .softmax(labels.codes, classes: labels.names.count)
    }
    rows = try BoostingRows(
      count: sampleCount, validationFraction: configuration.earlyStopping?.validationFraction,
      seed: seed, instructionSet: instructionSet)
    start = objective.start(rows.training)
    grower = BoostedTreeGrower(
      table: data.table, rules: configuration.rules, kernels: GradientKernels(instructionSet),
      workers: workers)
    ensemble = TreeEnsemble(width: 1, columnCount: data.table.columnCount)
    gains = Array(repeating: 0, count: data.table.columnCount)
    let cells = sampleCount * objective.outputs
    scores = try TreeMemory(count: cells)
    gradients = try TreeMemory(count: cells)
    hessians = try TreeMemory(count: cells)
    iterationCount = configuration.rounds
    self.configuration = configuration
    self.dataset = dataset
    self.workers = workers
    for (output, value) in start.enumerated() {
      (scores.base + output * sampleCount).update(repeating: value, count: sampleCount)
    }
    _ = differentiate()
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let (rows, others) = rows.rows(ofRound: iteration - 1, share: configuration.rowSampling)
    let outputs = objective.outputs
    let results = Mutex<[Int: Result<BoostedTreeGrower.Grown?, PluginError>]>([:])
    // SAFETY: tiles read what does not change during the call, write scores of their own output,
    // and ask the observer, which may be asked from any thread, only whether they shall go on.
    nonisolated(unsafe) let (unsafeSelf, observing) = (self, observer)
    workers.parallelFor(outputs) { output in
      let result: Result<BoostedTreeGrower.Grown?, PluginError>
      do throws(PluginError) {
        result = .success(
          try unsafeSelf.grow(output, round: iteration - 1, rows, others, observing))
      } catch {
        result = .failure(error)
      }
      results.withLock { $0[output] = result }
    }
    let grown = results.withLock { $0 }
    for output in 0..<outputs {
      guard let tree = try grown[output]?.get() else {
        throw PluginError(.cancelled, "training was cancelled")
      }
      ensemble.append(tree.tree)
      tree.tree.addGains(to: &gains)
    }
    let loss = differentiate()
    curve.append(BoostingCurvePoint(training: loss.training, validation: loss.validation))
    isComplete = iteration == iterationCount || hasStopped
    try observer.progress(samplesDone: sampleCount)
    var metrics = [TrainingMetric(name: "loss", value: loss.training)]
    if task == .classification {
      metrics.append(TrainingMetric(name: "accuracy", value: loss.accuracy))
    }
    if let validation = loss.validation {
      metrics.append(TrainingMetric(name: "validation_loss", value: validation))
    }
    return metrics
  }

  /// Grows the tree of an output, and adds its leaves' values to the scores.
  private func grow(
    _ output: Int, round: Int, _ rows: [UInt32], _ others: [UInt32], _ observer: TrainingObserver
  ) throws(PluginError) -> BoostedTreeGrower.Grown? {
    let first = output * sampleCount
    let problem = BoostedTreeGrower.Problem(
      gradients: gradients.base + first, hessians: hessians.base + first, rows: rows,
      others: others,
      isAllowed: self.rows.columns(
        ofRound: round, output: output, count: data.table.columnCount,
        share: configuration.featureSampling),
      hasConstantHessian: objective.hasConstantHessian)
    guard let grown = try grower.grow(problem, isCancelled: { observer.isCancelled }) else {
      return nil
    }
    for leaf in grown.leaves {
      let value = Double(grown.tree.values[leaf.node])
      for row in leaf.rows { scores.base[first + Int(row)] += value }
      for row in leaf.others { scores.base[first + Int(row)] += value }
    }
    return grown
  }

  /// Rows of which one tile takes the gradients; fixed, so that sums have one order.
  private static let tileRows = 2048

  /// Sets the gradients for the present scores.
  private func differentiate() -> BoostingLoss {
    let tiles = (sampleCount + Self.tileRows - 1) / Self.tileRows
    let losses = TileLosses(count: tiles)
    let (objective, sampleCount) = (objective, sampleCount)
    // SAFETY: tiles write rows of their own.
    nonisolated(unsafe) let (scores, gradients, hessians) = (
      UnsafePointer(scores.base), gradients.base, hessians.base
    )
    rows.isValidation.withUnsafeBufferPointer { isValidation in
      guard let isValidation = isValidation.baseAddress else { return }
      nonisolated(unsafe) let marks = isValidation
      workers.parallelFor(tiles) { tile in
        let rows = (tile * Self.tileRows)..<min((tile + 1) * Self.tileRows, sampleCount)
        losses[tile] = objective.differentiate(
          rows, of: sampleCount, scores: scores, isValidation: marks, gradients: gradients,
          hessians: hessians)
      }
    }
    return losses.sum
  }

  /// Whether the validation loss has not fallen for as many rounds as asked.
  private var hasStopped: Bool {
    guard let stopping = configuration.earlyStopping else { return false }
    return curve.count - bestRound >= stopping.rounds
  }

  /// The round, counted from 1, after which the model is best; without validation, the last.
  var bestRound: Int {
    guard configuration.earlyStopping != nil else { return curve.count }
    var best = 0
    for (round, point) in curve.enumerated() {
      // The first of equals.
      if point.validation ?? .infinity < curve[best].validation ?? .infinity { best = round }
    }
    return min(best + 1, curve.count)
  }

  /// The trees up to the best round.
  private var bestEnsemble: TreeEnsemble {
    get throws(PluginError) {
      guard !curve.isEmpty else {
        throw PluginError(.failedPrecondition, "nothing is fitted yet")
      }
      return ensemble.prefix(bestRound * objective.outputs)
    }
  }

  func evaluate(
    split: String, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    try bestEnsemble.measure(
      split: split, of: dataset, data.schema, target: data.targetName,
      classes: data.classes?.names, as: objective.answer(start), workers: workers,
      kernels: kernels, observer: observer)
  }

  func state() throws(PluginError) -> TensorBundle {
    var bundle = TensorBundle()
    ensemble.write(to: &bundle)
    bundle.set("gains", gains)
    bundle.set("curve/training", curve.map(\.training))
    bundle.set("curve/validation", curve.map { $0.validation ?? .nan })
    return bundle
  }

  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError) {
    let ensemble = try TreeEnsemble(state, width: 1, isCategorical: data.isCategorical)
    let outputs = objective.outputs
    guard ensemble.treeCount == iteration * outputs else {
      throw PluginError(
        .dataLoss,
        "expected \(iteration * outputs) trees after round \(iteration), came"
          + " \(ensemble.treeCount)")
    }
    gains = try state.values("gains", as: Double.self, shape: [data.table.columnCount])
    let training = try state.values("curve/training", as: Double.self, shape: [iteration])
    let validation = try state.values("curve/validation", as: Double.self, shape: [iteration])
    curve = zip(training, validation).map {
      BoostingCurvePoint(training: $0, validation: $1.isNaN ? nil : $1)
    }
    self.ensemble = ensemble
    try rebuildScores()
    _ = differentiate()
    isComplete = iteration > 0 && (iteration == iterationCount || hasStopped)
  }

  /// Adds the trees' values to the scores in the order in which they were added before, which gives
  /// the same bits.
  private func rebuildScores() throws(PluginError) {
    let outputs = objective.outputs
    let rows = try TableRows(data.schema, split: "train", in: dataset)
    let block = try TreeMemory<Double>(count: TableRows.blockRows * outputs)
    try rows.forEachBlock { first, count, values throws(PluginError) in
      for row in 0..<count {
        for output in 0..<outputs { block.base[row * outputs + output] = start[output] }
      }
      ensemble.addScores(
        of: values, count: count, to: block.base, .oneOutputEach(outputs: outputs),
        workers: workers, kernels: kernels)
      for row in 0..<count {
        for output in 0..<outputs {
          scores.base[output * sampleCount + first + row] = block.base[row * outputs + output]
        }
      }
    }
  }

  func export() throws(PluginError) -> FittedModel {
    let ensemble = try bestEnsemble
    var weights = TensorBundle()
    ensemble.write(to: &weights)
    let description = TreeModelDescription(
      schema: data.schema, target: data.targetName, classes: data.classes?.names,
      answer: objective.answer(start), maxBatchSize: configuration.table.maxBatchSize)
    return FittedModel(description: description.json, weights: weights, report: report(ensemble))
  }
}

/// The mean losses after a round.
struct BoostingCurvePoint: Sendable, Hashable {
  var training: Double
  /// nil without rows for validation.
  var validation: Double?
}

/// One result for each tile, each written by one.
private final class TileLosses: @unchecked Sendable {
  private let losses: UnsafeMutablePointer<BoostingLoss>
  private let count: Int

  init(count: Int) {
    self.count = count
    losses = .allocate(capacity: max(count, 1))
    losses.initialize(repeating: BoostingLoss(), count: count)
  }

  deinit { losses.deallocate() }

  subscript(index: Int) -> BoostingLoss {
    get { losses[index] }
    set { losses[index] = newValue }
  }

  var sum: BoostingLoss {
    var sum = BoostingLoss()
    for index in 0..<count { sum.add(losses[index]) }
    return sum
  }
}
