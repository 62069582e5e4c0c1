// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The growing and pruning of one tree.
final class DecisionTreeFit: FamilyFit {
  let sampleCount: Int
  let iterationCount = 1
  var isComplete: Bool { tree != nil }

  private let configuration: DecisionTreeConfiguration
  private let task: TreeTask
  private let dataset: DataSetView
  private let data: TreeData
  private let grower: TreeGrower
  private let seed: UInt64
  private let workers: WorkerPool
  private let kernels: TreeKernels
  /// What was grown, after pruning.
  private var tree: GrownTree?

  init(
    _ configuration: DecisionTreeConfiguration, seed: UInt64, dataset: DataSetView,
    workers: WorkerPool, instructionSet: InstructionSet
  ) throws(PluginError) {
    let settings = configuration.settings
    kernels = TreeKernels(instructionSet)
    task = try settings.task(in: dataset.description)
    data = try TreeData(
      settings.table, task: task, dataset: dataset, maxBins: settings.maxBins,
      isExact: settings.splits == .exact, orders: [.columns, .rows], seed: seed, workers: workers,
      kernels: kernels)
    grower = TreeGrower(
      table: data.table,
      target: try settings.growthTarget(data.target, maxSamples: data.table.rowCount),
      rules: settings.rules, instructionSet: instructionSet, maxSamples: data.table.rowCount)
    self.configuration = configuration
    self.seed = seed
    self.dataset = dataset
    self.workers = workers
    sampleCount = data.table.rowCount
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let samples = try TreeMemory<UInt64>(count: sampleCount)
    grower.target.fill(samples.base, rows: 0..<sampleCount)
    let grown = grower.grow(
      TreeGrower.Samples(
        drawn: UnsafeMutableBufferPointer(start: samples.base, count: sampleCount),
        outOfBag: UnsafeMutableBufferPointer(start: nil, count: 0)),
      key: seed, workers: workers, isCancelled: { observer.isCancelled })
    guard let grown else { throw PluginError(.cancelled, "training was cancelled") }
    let tree = grown.pruned(alpha: configuration.pruningAlpha)
    self.tree = tree
    return tree.trainingMetrics(grower.target)
  }

  func evaluate(
    split: String, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let ensemble = try ensemble
    return try ensemble.measure(
      split: split, of: dataset, data.schema, target: data.targetName,
      classes: data.classes?.names, as: answer, workers: workers, kernels: kernels,
      observer: observer)
  }

  func state() throws(PluginError) -> TensorBundle {
    var bundle = TensorBundle()
    tree?.write(to: &bundle)
    return bundle
  }

  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError) {
    tree =
      iteration == 0
      ? nil
      : try GrownTree(state, width: grower.target.width, isCategorical: data.isCategorical)
  }

  func export() throws(PluginError) -> FittedModel {
    let ensemble = try ensemble
    guard let tree else { throw Self.nothingFitted }
    var weights = TensorBundle()
    ensemble.write(to: &weights)
    let drawing = TreeDrawing(
      tree, data.legend, criterion: configuration.settings.criterionName(task))
    return FittedModel(
      description: description.json, weights: weights, report: report(of: tree),
      drawings: [("tree.svg", drawing.svg)])
  }

  private var answer: TreeAnswer { task == .classification ? .meanProbabilities : .mean }

  private var description: TreeModelDescription {
    TreeModelDescription(
      schema: data.schema, target: data.targetName, classes: data.classes?.names, answer: answer,
      maxBatchSize: configuration.settings.table.maxBatchSize)
  }

  private var ensemble: TreeEnsemble {
    get throws(PluginError) {
      guard let tree else { throw Self.nothingFitted }
      var ensemble = TreeEnsemble(
        width: grower.target.width, columnCount: data.table.columnCount)
      ensemble.append(tree)
      return ensemble
    }
  }

  private static let nothingFitted = PluginError(.failedPrecondition, "nothing is fitted yet")

  private func report(of tree: GrownTree) -> Report {
    let settings = configuration.settings
    var report = Report(
      family: DecisionTreeFamily.name,
      title: "decision tree, \(task.rawValue) of \(data.targetName) on"
        + " \(data.table.columnCount) columns, \(sampleCount) rows")
    report.fact("task", "task", .string(task.rawValue))
    report.fact("criterion", "criterion", .string(settings.criterionName(task)))
    report.fact("splits", "splits", .string(settings.splits.rawValue))
    if configuration.pruningAlpha > 0 {
      report.fact("pruning_alpha", "pruning α", .number(configuration.pruningAlpha))
    }
    report.fact("leaves", "leaves", .integer(tree.leafCount))
    report.fact("depth", "depth", .integer(tree.depth))
    if let classes = data.classes {
      report.data("classes", .strings(classes.names.texts))
    }
    for metric in tree.trainingMetrics(grower.target) {
      report.fact("training_\(metric.name)", "\(metric.name) in training", .number(metric.value))
    }
    var gains = [Double](repeating: 0, count: data.table.columnCount)
    tree.addGains(to: &gains)
    report.importance(gains, names: data.schema.columnNames)
    report.block(
      "tree", "Tree", TreeText(tree, data.legend, criterion: settings.criterionName(task)).text)
    return report
  }
}

extension TreeData {
  /// Which columns are categorical.
  var isCategorical: [Bool] { table.bins.map(\.isCategorical) }

  /// How columns, categories and classes are called.
  var legend: TreeLegend {
    TreeLegend(
      columns: schema.columnNames, kinds: schema.kinds, classes: classes?.names.texts,
      target: targetName)
  }
}
