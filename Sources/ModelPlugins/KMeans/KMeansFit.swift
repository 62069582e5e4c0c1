// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Fits k-means: Lloyd's algorithm from k-means++ centres, an iteration at a time, or mini-batches.
final class KMeansFit: FamilyFit {
  let sampleCount: Int
  let iterationCount: Int
  private(set) var isComplete = false

  private let configuration: KMeansConfiguration
  private let dataset: DataSetView
  private let data: UnsupervisedData
  private let seed: UInt64
  private let workers: WorkerPool
  private let instructionSet: InstructionSet
  private let squares: [Float]
  private let squareSum: Double
  private let silhouette: Silhouette
  private let meanVariance: Double
  private var centres: [Float] = []
  private var assignment: KMeansAssignment
  private var inertia = Double.infinity

  /// The cluster of each row, -1 before the first iteration.
  var clusters: [Int32] { assignment.clusters }

  init(
    _ configuration: KMeansConfiguration, seed: UInt64, dataset: DataSetView, workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    data = try UnsupervisedData(configuration.table, configuration.scaling, in: dataset)
    let x = data.x
    guard configuration.clusters <= x.rows else {
      throw PluginError(
        field: "configuration.clusters",
        "expected at most \(x.rows), the number of rows in train, came \(configuration.clusters)")
    }
    self.configuration = configuration
    self.dataset = dataset
    self.seed = seed
    self.workers = workers
    self.instructionSet = instructionSet
    silhouette = Silhouette(workers: workers, instructionSet: instructionSet)
    sampleCount = x.rows
    iterationCount = configuration.maxIterations
    if configuration.batchSize == nil {
      let passes = RowPasses(workers: workers)
      squares = passes.squares(of: x, instructionSet: instructionSet)
      squareSum = squares.reduce(0.0) { $0 + Double($1) }
      let means = passes.columnSums(of: x).map { $0 / Double(x.rows) }
      meanVariance =
        passes.squaredDeviations(of: x, means: means).reduce(0, +)
        / Double(x.rows) / Double(x.columns)
    } else {
      // Batches need no figure of all rows.
      (squares, squareSum, meanVariance) = ([], 0, 0)
    }
    assignment = KMeansAssignment(
      rows: x.rows, clusters: configuration.clusters, columns: x.columns)
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    if centres.isEmpty {
      centres = firstCentres()
      try observer.progress(samplesDone: 0)
    }
    if let batchSize = configuration.batchSize {
      learn(from: batchSize, iteration)
      isComplete = false
    } else {
      lloyd()
    }
    try observer.progress(samplesDone: sampleCount)
    return [TrainingMetric(name: "inertia", value: inertia)]
  }

  /// One iteration of Lloyd's algorithm.
  private func lloyd() {
    let (x, k, d) = (data.x, configuration.clusters, data.x.columns)
    let current = Centres(centres, columns: d, instructionSet: instructionSet)
    let changed = assignment.update(
      x, squares: squares, centres: current, halfSeparations: halfSeparations(),
      workers: workers)
    fillEmptyClusters()
    var shifts = [Float](repeating: 0, count: k)
    var (moved, between) = (0.0, 0.0)
    for cluster in 0..<k {
      let size = Double(assignment.counts[cluster])
      var shift = 0.0
      for column in cluster * d..<(cluster + 1) * d {
        let mean = assignment.sums[column] / size
        let step = mean - Double(centres[column])
        shift += step * step
        between += mean * mean * size
        centres[column] = Float(mean)
      }
      moved += shift
      // Rounded up, so that a bound stays one.
      shifts[cluster] = Float(shift.squareRoot()).nextUp
    }
    // Σ‖x - c‖² = Σ‖x‖² - Σ n ‖c‖²
    inertia = max(0, squareSum - between)
    assignment.move(centres: shifts)
    isComplete = changed == 0 || moved <= configuration.tolerance * meanVariance
  }

  /// Half the distance of each centre to the nearest other.
  private func halfSeparations() -> [Float] {
    let (k, d) = (configuration.clusters, data.x.columns)
    var result = [Float](repeating: .infinity, count: k)
    // With many centres the search costs more than it saves.
    guard k <= 512 else { return [Float](repeating: 0, count: k) }
    centres.withUnsafeBufferPointer { centres in
      guard let base = centres.baseAddress else { return }
      for a in 0..<k {
        for b in 0..<a {
          let half = Float(
            squaredDistanceOf(base + a * d, base + b * d, count: d).squareRoot() / 2)
          result[a] = min(result[a], half)
          result[b] = min(result[b], half)
        }
      }
    }
    return result
  }

  /// A cluster that has lost its last row takes the row that is farthest from its centre.
  private func fillEmptyClusters() {
    let (x, d) = (data.x, data.x.columns)
    for empty in assignment.counts.indices where assignment.counts[empty] == 0 {
      var farthest = -1
      for row in 0..<x.rows where assignment.counts[Int(assignment.clusters[row])] > 1 {
        if farthest < 0 || assignment.upper[row] > assignment.upper[farthest] { farthest = row }
      }
      guard farthest >= 0 else { return }
      let old = Int(assignment.clusters[farthest])
      for column in 0..<d {
        let value = Double(x.values[farthest * d + column])
        assignment.sums[old * d + column] -= value
        assignment.sums[empty * d + column] = value
      }
      assignment.counts[old] -= 1
      assignment.counts[empty] = 1
      assignment.clusters[farthest] = Int32(empty)
      assignment.upper[farthest] = 0
      assignment.lower[farthest] = 0
    }
  }

  /// By k-means++ on all rows, or for batches on a sample of them.
  private func firstCentres() -> [Float] {
    let x = data.x
    let sample = MiniBatch.sampleRows * max(configuration.batchSize ?? 0, configuration.clusters)
    guard configuration.batchSize != nil, sample < x.rows else {
      return KMeansPlusPlus(
        values: x.values, rows: x.rows, columns: x.columns,
        squares: squares.isEmpty
          ? RowPasses(workers: workers).squares(of: x, instructionSet: instructionSet) : squares,
        instructionSet: instructionSet
      ).centres(configuration.clusters, seed: seed, workers: workers)
    }
    let batch = MiniBatch(
      x, count: sample, random: Philox(key: seed, stream: 3), workers: workers,
      instructionSet: instructionSet)
    return withExtendedLifetime(batch) {
      KMeansPlusPlus(
        values: batch.values, rows: sample, columns: x.columns, squares: batch.squares,
        instructionSet: instructionSet
      ).centres(configuration.clusters, seed: seed, workers: workers)
    }
  }

  /// One batch (Sculley, "Web-scale k-means clustering", 2010): each centre moves towards the mean
  /// of its rows by their share of the rows that it has seen.
  private func learn(from batchSize: Int, _ iteration: Int) {
    let (x, d) = (data.x, data.x.columns)
    let batch = MiniBatch(
      x, count: batchSize, random: Philox(key: seed, stream: UInt64(iteration) << 8 | 2),
      workers: workers, instructionSet: instructionSet)
    let nearest = batch.nearest(Centres(centres, columns: d, instructionSet: instructionSet))
    let (sums, counts) = batch.sums(by: nearest.clusters, count: configuration.clusters)
    for cluster in counts.indices where counts[cluster] > 0 {
      assignment.counts[cluster] += Int64(counts[cluster])
      let rate = 1 / Double(assignment.counts[cluster])
      for column in cluster * d..<(cluster + 1) * d {
        let centre = Double(centres[column])
        centres[column] = Float(
          centre + rate * (sums[column] - Double(counts[cluster]) * centre))
      }
    }
    inertia = nearest.inertia / Double(batchSize) * Double(x.rows)
  }

  func evaluate(
    split: String, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    guard !centres.isEmpty else {
      throw PluginError(.failedPrecondition, "nothing is fitted yet")
    }
    let x = try FeatureMatrix(data.encoding, split: split, in: dataset)
    let nearest = Centres(centres, columns: x.columns, instructionSet: instructionSet)
      .nearest(x.values, rows: x.rows)
    var metrics = [
      TrainingMetric(name: "inertia", value: nearest.reduce(0) { $0 + $1.squaredDistance })
    ]
    if isComplete, let score = silhouette.score(x, nearest.map(\.cluster)) {
      metrics.append(TrainingMetric(name: "silhouette", value: score))
    }
    return metrics
  }

  func state() -> TensorBundle {
    var bundle = TensorBundle()
    bundle.set("centres", centres)
    bundle.set("clusters", assignment.clusters)
    bundle.set("upper", assignment.upper)
    bundle.set("lower", assignment.lower)
    bundle.set("sums", assignment.sums)
    bundle.set("counts", assignment.counts)
    bundle.set("scalars", [isComplete ? 1 : 0, inertia])
    return bundle
  }

  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError) {
    let (k, d, n) = (configuration.clusters, data.x.columns, sampleCount)
    let scalars = try state.values("scalars", as: Double.self, shape: [2])
    centres = try state.values("centres", shape: [iteration > 0 ? k * d : 0])
    assignment.clusters = try state.values("clusters", shape: [n])
    assignment.upper = try state.values("upper", shape: [n])
    assignment.lower = try state.values("lower", shape: [n])
    assignment.sums = try state.values("sums", shape: [k * d])
    assignment.counts = try state.values("counts", shape: [k])
    guard assignment.clusters.allSatisfy({ (-1..<Int32(k)).contains($0) }) else {
      throw PluginError(.dataLoss, "the checkpoint contradicts itself")
    }
    isComplete = scalars[0] != 0
    inertia = scalars[1]
  }

  func export() throws(PluginError) -> FittedModel {
    guard !centres.isEmpty else {
      throw PluginError(.failedPrecondition, "nothing is fitted yet")
    }
    var weights = TensorBundle()
    weights.set("centres", centres, shape: [configuration.clusters, data.x.columns])
    return FittedModel(
      description: [
        "encoding": data.encoding.json,
        "max_batch_size": .integer(configuration.table.maxBatchSize),
      ], weights: weights, report: report())
  }

  private func report() -> Report {
    let (k, d) = (configuration.clusters, data.x.columns)
    var report = Report(
      family: KMeansFamily.name,
      title: "k-means, \(k) clusters of \(d) columns, \(sampleCount) rows")
    report.fact("inertia", "inertia", .number(inertia))
    report.fact("converged", "converged", .bool(isComplete))
    if configuration.batchSize == nil, let score = silhouette.score(data.x, assignment.clusters) {
      report.fact("silhouette", "silhouette (sample)", .number(score))
    }
    report.table(
      "clusters", "Clusters", columns: ["cluster", "rows"],
      rows: assignment.counts.enumerated().map { [.integer($0), .integer(Int($1))] })
    if d <= 64 {
      let names = data.encoding.names
      report.table(
        "centres", "Centres", columns: ["cluster"] + names,
        rows: (0..<k).map { cluster in
          [.integer(cluster)]
            + (0..<d).map { .number(Double(centres[cluster * d + $0])) }
        })
    }
    return report
  }
}
