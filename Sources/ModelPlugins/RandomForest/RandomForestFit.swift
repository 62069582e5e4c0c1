// SPDX-License-Identifier: Apache-2.0
import Runtime
import Synchronization

/// The growing of a forest, some trees an iteration.
final class RandomForestFit: FamilyFit {
  let sampleCount: Int
  let iterationCount: Int
  private(set) var isComplete = false

  private let configuration: RandomForestConfiguration
  private let task: TreeTask
  private let dataset: DataSetView
  private let data: TreeData
  private let grower: TreeGrower
  private let columnsAtSplit: Int
  private let seed: UInt64
  private let workers: WorkerPool
  private let instructionSet: InstructionSet
  private let kernels: TreeKernels

  private var ensemble: TreeEnsemble
  private var votes: OutOfBagVotes?
  /// What the splits along each column took away, summed over the trees.
  private var gains: [Double]
  private var depths: [Int64] = []

  /// Trees of an iteration: enough for every core of a large machine, whatever this one has, few
  /// enough that a checkpoint loses little.
  private static let treesAtOnce = 16

  init(
    _ configuration: RandomForestConfiguration, seed: UInt64, dataset: DataSetView,
    workers: WorkerPool, instructionSet: InstructionSet
  ) throws(PluginError) {
    let settings = configuration.settings
    kernels = TreeKernels(instructionSet)
    task = try settings.task(in: dataset.description)
    data = try TreeData(
      settings.table, task: task, dataset: dataset, maxBins: settings.maxBins,
      isExact: settings.splits == .exact, orders: [.columns, .rows], seed: seed, workers: workers,
      kernels: kernels)
    sampleCount = data.table.rowCount
    columnsAtSplit = configuration.columnsAtSplit(of: data.table.columnCount, task: task)
    var rules = settings.rules
    rules.columnsAtSplit = columnsAtSplit < data.table.columnCount ? columnsAtSplit : nil
    let target = try settings.growthTarget(data.target, maxSamples: sampleCount)
    grower = TreeGrower(
      table: data.table, target: target, rules: rules, instructionSet: instructionSet,
      maxSamples: sampleCount)
    ensemble = TreeEnsemble(width: target.width, columnCount: data.table.columnCount)
    gains = Array(repeating: 0, count: data.table.columnCount)
    if configuration.outOfBagScore { votes = OutOfBagVotes(rows: sampleCount, width: target.width) }
    iterationCount = (configuration.trees + Self.treesAtOnce - 1) / Self.treesAtOnce
    self.configuration = configuration
    self.seed = seed
    self.dataset = dataset
    self.workers = workers
    self.instructionSet = instructionSet
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let first = (iteration - 1) * Self.treesAtOnce
    let trees = first..<min(first + Self.treesAtOnce, configuration.trees)
    let results = Mutex<[Int: Result<GrownTree, PluginError>]>([:])
    // SAFETY: tiles read what does not change during the call, and ask the observer, which may be
    // asked from any thread, only whether they shall go on.
    nonisolated(unsafe) let (unsafeSelf, observing) = (self, observer)
    workers.parallelFor(trees.count) { tile in
      let tree = trees.lowerBound + tile
      let result: Result<GrownTree, PluginError>
      do throws(PluginError) {
        result = .success(try unsafeSelf.grow(tree, observing))
      } catch {
        result = .failure(error)
      }
      results.withLock { $0[tree] = result }
    }
    let grown = results.withLock { $0 }
    for tree in trees {
      guard let result = grown[tree] else {
        throw PluginError(.internal, "tree \(tree) is missing")
      }
      add(try result.get())
    }
    isComplete = trees.upperBound == configuration.trees
    try observer.progress(samplesDone: sampleCount)
    return [TrainingMetric(name: "trees", value: Double(ensemble.treeCount))]
      + (votes?.metrics(data.target) ?? [])
  }

  private func add(_ tree: GrownTree) {
    ensemble.append(tree)
    tree.addGains(to: &gains)
    depths.append(Int64(tree.depth))
    votes?.add(tree)
  }

  /// Grows one tree: a function of the data, the configuration, the seed and its number.
  private func grow(_ tree: Int, _ observer: TrainingObserver) throws(PluginError) -> GrownTree {
    // The tree's own key, so that its nodes have all streams for themselves.
    let words = Philox(key: seed, stream: UInt64(tree))
    let key = UInt64(words.word(at: 0)) << 32 | UInt64(words.word(at: 1))
    let target = grower.target
    var drawn: [UInt64] = []
    var rest: [UInt64] = []
    if configuration.bootstrap {
      let bootstrap = Bootstrap(rows: sampleCount, key: key, instructionSet: instructionSet)
      drawn.reserveCapacity(sampleCount)
      for row in 0..<sampleCount {
        let times = Int(bootstrap.counts[row])
        if times == 0 {
          if votes != nil { rest.append(target.sample(row, times: 0)) }
        } else if case .classes = target {
          drawn.append(target.sample(row, times: times))
        } else {
          // The kernels count a row of a regression once: it comes as often as it was drawn.
          for _ in 0..<times { drawn.append(target.sample(row)) }
        }
      }
    } else {
      drawn = (0..<sampleCount).map { target.sample($0) }
    }
    let grown = drawn.withUnsafeMutableBufferPointer { drawn in
      rest.withUnsafeMutableBufferPointer { rest in
        grower.grow(
          TreeGrower.Samples(drawn: drawn, outOfBag: rest), key: key, workers: nil,
          isCancelled: { observer.isCancelled })
      }
    }
    guard let grown else { throw PluginError(.cancelled, "training was cancelled") }
    return grown
  }

  func evaluate(
    split: String, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    guard ensemble.treeCount > 0 else { throw Self.nothingFitted }
    return try ensemble.measure(
      split: split, of: dataset, data.schema, target: data.targetName,
      classes: data.classes?.names, as: answer, workers: workers, kernels: kernels,
      observer: observer)
  }

  func state() throws(PluginError) -> TensorBundle {
    var bundle = TensorBundle()
    ensemble.write(to: &bundle)
    bundle.set("gains", gains)
    bundle.set("depths", depths)
    votes?.write(to: &bundle)
    return bundle
  }

  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError) {
    let ensemble = try TreeEnsemble(
      state, width: grower.target.width, isCategorical: data.isCategorical)
    let expected = min(iteration * Self.treesAtOnce, configuration.trees)
    guard ensemble.treeCount == expected else {
      throw PluginError(
        .dataLoss,
        "expected \(expected) trees after iteration \(iteration), came \(ensemble.treeCount)")
    }
    gains = try state.values("gains", as: Double.self, shape: [data.table.columnCount])
    depths = try state.values("depths", as: Int64.self, shape: [expected])
    if votes != nil {
      votes = try OutOfBagVotes(state, rows: sampleCount, width: grower.target.width)
    }
    self.ensemble = ensemble
    isComplete = expected == configuration.trees
  }

  func export() throws(PluginError) -> FittedModel {
    guard ensemble.treeCount > 0 else { throw Self.nothingFitted }
    var weights = TensorBundle()
    ensemble.write(to: &weights)
    let description = TreeModelDescription(
      schema: data.schema, target: data.targetName, classes: data.classes?.names, answer: answer,
      maxBatchSize: configuration.settings.table.maxBatchSize)
    return FittedModel(description: description.json, weights: weights, report: report())
  }

  private var answer: TreeAnswer { task == .classification ? .meanProbabilities : .mean }

  private static let nothingFitted = PluginError(.failedPrecondition, "nothing is fitted yet")

  private func report() -> Report {
    let settings = configuration.settings
    var report = Report(
      family: RandomForestFamily.name,
      title: "random forest, \(task.rawValue) of \(data.targetName) on"
        + " \(data.table.columnCount) columns, \(sampleCount) rows")
    report.fact("task", "task", .string(task.rawValue))
    report.fact("criterion", "criterion", .string(settings.criterionName(task)))
    report.fact("trees", "trees", .integer(ensemble.treeCount))
    report.fact("columns_at_split", "columns at a split", .integer(columnsAtSplit))
    report.fact("bootstrap", "bootstrap", .bool(configuration.bootstrap))
    report.fact("leaves", "leaves", .integer(ensemble.leafCount))
    let mean = Double(depths.reduce(0, +)) / Double(max(depths.count, 1))
    report.fact("mean_depth", "mean depth", .number(mean))
    if let classes = data.classes { report.data("classes", .strings(classes.names.texts)) }
    for metric in votes?.metrics(data.target) ?? [] {
      let label = metric.name.replacing("out_of_bag_", with: "") + " out of bag"
      report.fact(metric.name, label, .number(metric.value))
    }
    report.importance(gains, names: data.schema.columnNames)
    return report
  }
}
