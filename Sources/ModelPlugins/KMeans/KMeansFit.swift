// SPDX-License-Identifier: Apache-2.0
import Glibc
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
    sampleCount = x.rows
    iterationCount = configuration.maxIterations
    squares = (0..<x.rows).map {
      instructionSet.sumOfSquares(x.values + $0 * x.columns, count: x.columns)
    }
    squareSum = squares.reduce(0.0) { $0 + Double($1) }
    let passes = RowPasses(workers: workers)
    let means = passes.columnSums(of: x).map { $0 / Double(x.rows) }
    meanVariance =
      passes.squaredDeviations(of: x, means: means).reduce(0, +)
      / Double(x.rows) / Double(x.columns)
    assignment = KMeansAssignment(
      rows: x.rows, clusters: configuration.clusters, columns: x.columns)
  }

  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric] {
    if centres.isEmpty {
      centres = KMeansPlusPlus(x: data.x, squares: squares, instructionSet: instructionSet)
        .centres(configuration.clusters, seed: seed, workers: workers)
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

  /// One batch (Sculley, "Web-scale k-means clustering", 2010): each centre moves towards its rows
  /// by one over the rows that it has seen.
  private func learn(from batchSize: Int, _ iteration: Int) {
    let (x, d) = (data.x, data.x.columns)
    let random = Philox(key: seed, stream: UInt64(iteration) << 8 | 2)
    var batch = [Float](repeating: 0, count: batchSize * d)
    for index in 0..<batchSize {
      let row = random.integer(at: UInt64(index), below: x.rows)
      for column in 0..<d { batch[index * d + column] = x.values[row * d + column] }
    }
    let current = Centres(centres, columns: d, instructionSet: instructionSet)
    let nearest = batch.withUnsafeBufferPointer { batch in
      batch.baseAddress.map { current.nearest($0, rows: batchSize) } ?? []
    }
    for (index, (cluster, _)) in nearest.enumerated() {
      let cluster = Int(cluster)
      assignment.counts[cluster] += 1
      let rate = 1 / Float(assignment.counts[cluster])
      for column in 0..<d {
        centres[cluster * d + column] +=
          rate * (batch[index * d + column] - centres[cluster * d + column])
      }
    }
    inertia =
      nearest.reduce(0) { $0 + $1.squaredDistance } / Double(batchSize) * Double(x.rows)
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
    if isComplete, let score = Silhouette.score(x, nearest.map(\.cluster)) {
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
    if configuration.batchSize == nil, let score = Silhouette.score(data.x, assignment.clusters) {
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

/// First centres, far from each other (Arthur and Vassilvitskii, "k-means++: the advantages of
/// careful seeding", 2007), the best of a few candidates each time.
struct KMeansPlusPlus {
  let x: FeatureMatrix
  let squares: [Float]
  let instructionSet: InstructionSet

  /// (count, columns).
  func centres(_ count: Int, seed: UInt64, workers: WorkerPool) -> [Float] {
    let random = Philox(key: seed, stream: 1)
    var draws: UInt64 = 0
    func uniform() -> Double {
      defer { draws += 1 }
      return Double(random.integer(at: draws, below: 1 << 53)) / Double(1 << 53)
    }
    let trials = 2 + Int(log(Double(max(1, count))))
    var chosen = row(min(x.rows - 1, Int(uniform() * Double(x.rows))))
    var closest = distances(to: chosen, workers)[0]
    for _ in 1..<max(1, count) {
      // Rows are drawn with probabilities as their squared distances.
      var cumulative = [Double](repeating: 0, count: x.rows)
      var sum = 0.0
      for index in closest.indices {
        sum += Double(closest[index])
        cumulative[index] = sum
      }
      let candidates = (0..<trials).map { _ in
        let draw = uniform() * sum
        return min(x.rows - 1, Self.firstIndex(of: draw, in: cumulative))
      }
      let found = distances(to: candidates.flatMap(row), workers)
      var (best, bestSum) = (0, Double.infinity)
      for trial in 0..<trials {
        var total = 0.0
        for index in closest.indices {
          total += Double(min(closest[index], found[trial][index]))
        }
        if total < bestSum { (best, bestSum) = (trial, total) }
      }
      for index in closest.indices { closest[index] = min(closest[index], found[best][index]) }
      chosen += row(candidates[best])
    }
    return chosen
  }

  private func row(_ index: Int) -> [Float] {
    Array(UnsafeBufferPointer(start: x.values + index * x.columns, count: x.columns))
  }

  /// Squared distances of all rows to each point.
  private func distances(to points: [Float], _ workers: WorkerPool) -> [[Float]] {
    let centres = Centres(points, columns: x.columns, instructionSet: instructionSet)
    let (count, rows) = (centres.count, Centres.blockRows)
    let blocks = (x.rows + rows - 1) / rows
    var all = [Float](repeating: 0, count: x.rows * count)
    let scratchCount = max(1, centres.scratchCount)
    let scratch = UnsafeMutablePointer<Float>.allocate(capacity: workers.threadCount * scratchCount)
    defer { scratch.deallocate() }
    all.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      // SAFETY: each block writes its own rows, each worker its own scratch.
      nonisolated(unsafe) let (out, memory) = (base, scratch)
      workers.parallelTiles(blocks) { block, worker in
        let start = block * rows
        centres.relativeDistances(
          x.values + start * x.columns, rows: min(rows, x.rows - start), into: out + start * count,
          scratch: memory + worker * scratchCount)
      }
    }
    return (0..<count).map { point in
      (0..<x.rows).map { max(0, all[$0 * count + point] + squares[$0]) }
    }
  }

  /// The first element that is at least `value`.
  private static func firstIndex(of value: Double, in sorted: [Double]) -> Int {
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// How well rows lie in their clusters (Rousseeuw, "Silhouettes", 1987), over at most a thousand
/// rows, evenly spaced: the measure takes every pair.
enum Silhouette {
  private static let maxRows = 1000

  /// The mean of (b - a) / max(a, b); nil with fewer than two clusters among the rows.
  static func score(_ x: FeatureMatrix, _ clusters: [Int32]) -> Double? {
    let count = min(x.rows, maxRows)
    let rows = (0..<count).map { $0 * x.rows / count }.filter { clusters[$0] >= 0 }
    let present = Set(rows.map { clusters[$0] }).sorted()
    guard present.count >= 2 else { return nil }
    let position = Dictionary(uniqueKeysWithValues: zip(present, 0...))
    let own = rows.map { position[clusters[$0]] ?? 0 }
    var sizes = [Int](repeating: 0, count: present.count)
    for cluster in own { sizes[cluster] += 1 }
    var total = 0.0
    for (index, row) in rows.enumerated() where sizes[own[index]] > 1 {
      var sums = [Double](repeating: 0, count: present.count)
      for (other, otherRow) in rows.enumerated() where other != index {
        sums[own[other]] += squaredDistanceOf(
          x.values + row * x.columns, x.values + otherRow * x.columns, count: x.columns
        ).squareRoot()
      }
      let a = sums[own[index]] / Double(sizes[own[index]] - 1)
      let b =
        present.indices.filter { $0 != own[index] }
        .map { sums[$0] / Double(sizes[$0]) }.min() ?? 0
      total += max(a, b) > 0 ? (b - a) / max(a, b) : 0
    }
    return total / Double(rows.count)
  }
}
