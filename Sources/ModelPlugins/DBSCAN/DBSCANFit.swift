// SPDX-License-Identifier: Apache-2.0
import Runtime
import Synchronization

/// Fits DBSCAN as a whole (Ester, Kriegel, Sander and Xu, "A density-based algorithm for discovering
/// clusters in large spatial databases with noise", 1996): neighbours of all rows in parallel, then
/// clusters grown from core rows in the order of the rows, as scikit-learn numbers them.
final class DBSCANFit: FamilyFit {
  let sampleCount: Int
  let iterationCount = 1
  private(set) var isComplete = false

  private let configuration: DBSCANConfiguration
  private let data: UnsupervisedData
  private let dataset: DataSetView
  private let workers: WorkerPool
  private let silhouette: Silhouette
  /// -1: noise.
  private var labels: [Int32] = []
  private var isCore: [UInt8] = []

  init(
    _ configuration: DBSCANConfiguration, dataset: DataSetView, workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    data = try UnsupervisedData(configuration.table, configuration.scaling, in: dataset)
    guard data.x.rows <= Int(Int32.max) else {
      throw PluginError(.resourceExhausted, "expected fewer than 2^31 rows, came \(data.x.rows)")
    }
    self.configuration = configuration
    self.dataset = dataset
    self.workers = workers
    silhouette = Silhouette(workers: workers, instructionSet: instructionSet)
    sampleCount = data.x.rows
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    let x = data.x
    let tree = NeighbourTree(x.values, rows: x.rows, columns: x.columns)
    let counts = neighbourCounts(tree, observer)
    try observer.progress(samplesDone: x.rows)
    isCore = counts.map { $0 >= configuration.minimumNeighbours ? 1 : 0 }
    labels = [Int32](repeating: -1, count: x.rows)
    var next: Int32 = 0
    var stack: [Int32] = []
    for row in 0..<x.rows where labels[row] < 0 && isCore[row] == 1 {
      labels[row] = next
      stack.append(Int32(row))
      while let core = stack.popLast() {
        tree.forEachNeighbour(
          of: x.values + Int(core) * x.columns, radius: configuration.radius
        ) { neighbour, _ in
          let index = Int(neighbour)
          guard labels[index] < 0 else { return }
          labels[index] = next
          if isCore[index] == 1 { stack.append(neighbour) }
        }
      }
      next += 1
      guard next & 255 != 0 || !observer.isCancelled else {
        throw PluginError(.cancelled, "training was cancelled")
      }
    }
    isComplete = true
    return metrics(next)
  }

  private func neighbourCounts(_ tree: NeighbourTree, _ observer: TrainingObserver) -> [Int32] {
    let x = data.x
    let radius = configuration.radius
    var counts = [Int32](repeating: 0, count: x.rows)
    let parts = (x.rows + 255) / 256
    counts.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      // SAFETY: each part writes its own rows.
      nonisolated(unsafe) let out = base
      nonisolated(unsafe) let observer = observer
      workers.parallelFor(parts) { part in
        if observer.isCancelled { return }
        for row in part * 256..<min(x.rows, (part + 1) * 256) {
          var count: Int32 = 0
          tree.forEachNeighbour(of: x.values + row * x.columns, radius: radius) { _, _ in
            count += 1
          }
          out[row] = count
        }
      }
    }
    return counts
  }

  private func metrics(_ clusters: Int32) -> [TrainingMetric] {
    let noise = labels.count { $0 < 0 }
    var metrics = [
      TrainingMetric(name: "clusters", value: Double(clusters)),
      TrainingMetric(name: "noise", value: Double(noise) / Double(labels.count)),
    ]
    if let score = silhouette.score(data.x, labels) {
      metrics.append(TrainingMetric(name: "silhouette", value: score))
    }
    return metrics
  }

  func evaluate(
    split: String, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    // Clusters are of the rows that made them; others have no measure.
    throw PluginError(.unimplemented, "dbscan does not evaluate")
  }

  func state() -> TensorBundle {
    var bundle = TensorBundle()
    bundle.set("labels", labels)
    bundle.set("is_core", isCore)
    return bundle
  }

  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError) {
    let count = iteration > 0 ? sampleCount : 0
    labels = try state.values("labels", shape: [count])
    isCore = try state.values("is_core", shape: [count])
    isComplete = iteration > 0
  }

  func export() throws(PluginError) -> FittedModel {
    guard isComplete else { throw PluginError(.failedPrecondition, "nothing is fitted yet") }
    let (x, d) = (data.x, data.x.columns)
    let cores = (0..<x.rows).filter { isCore[$0] == 1 }
    var weights = TensorBundle()
    weights.set(
      "core_rows", cores.flatMap { Array(UnsafeBufferPointer(start: x.values + $0 * d, count: d)) },
      shape: [cores.count, d])
    weights.set("core_clusters", cores.map { labels[$0] })
    weights.set("eps", [configuration.radius])
    return FittedModel(
      description: [
        "encoding": data.encoding.json,
        "max_batch_size": .integer(configuration.table.maxBatchSize),
      ], weights: weights, report: report(cores.count))
  }

  private func report(_ cores: Int) -> Report {
    let count = Int(labels.max() ?? -1) + 1
    var sizes = [Int](repeating: 0, count: count)
    for label in labels where label >= 0 { sizes[Int(label)] += 1 }
    var report = Report(
      family: DBSCANFamily.name,
      title: "DBSCAN, \(count) clusters of \(data.x.columns) columns, \(sampleCount) rows")
    report.fact("eps", "eps", .number(configuration.radius))
    report.fact("min_samples", "min_samples", .integer(configuration.minimumNeighbours))
    report.fact("core_rows", "core rows", .integer(cores))
    report.fact("noise_rows", "noise rows", .integer(labels.count { $0 < 0 }))
    if let score = silhouette.score(data.x, labels) {
      report.fact("silhouette", "silhouette (sample)", .number(score))
    }
    report.table(
      "clusters", "Clusters", columns: ["cluster", "rows"],
      rows: sizes.enumerated().prefix(10_000).map { [.integer($0), .integer($1)] })
    return report
  }
}
