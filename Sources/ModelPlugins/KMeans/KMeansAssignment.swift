// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Which centre each row belongs to, and bounds that say which rows need not be looked at again
/// (Hamerly, "Making k-means even faster", 2010): no farther from its own than `upper`, no nearer to
/// another than `lower`.
struct KMeansAssignment {
  var clusters: [Int32]
  var upper: [Float]
  var lower: [Float]
  /// Σ of the rows of each cluster, (clusters, columns), and how many they are.
  var sums: [Double]
  var counts: [Int64]

  /// What rounding in single precision may add to a distance, relative to it and to the data.
  private static let slack: Float = 1e-3

  init(rows: Int, clusters count: Int, columns: Int) {
    clusters = [Int32](repeating: -1, count: rows)
    upper = [Float](repeating: .infinity, count: rows)
    lower = [Float](repeating: 0, count: rows)
    sums = [Double](repeating: 0, count: count * columns)
    counts = [Int64](repeating: 0, count: count)
  }

  /// Assigns every row to its nearest centre and brings sums and counts up to date.
  ///
  /// - Parameter squares: ‖x‖² of each row.
  /// - Returns: how many rows changed.
  mutating func update(
    _ x: FeatureMatrix, squares: [Float], centres: Centres, halfSeparations: [Float],
    workers: WorkerPool
  ) -> Int {
    let parts = RowPasses.parts(of: x.rows)
    let previous = clusters
    let (count, columns, rows) = (centres.count, x.columns, Centres.blockRows)
    let scratchCount = centres.scratchCount + rows * (count + columns)
    let scratch = UnsafeMutablePointer<Float>.allocate(capacity: workers.threadCount * scratchCount)
    defer { scratch.deallocate() }
    clusters.withUnsafeMutableBufferPointer { clusters in
      upper.withUnsafeMutableBufferPointer { upper in
        lower.withUnsafeMutableBufferPointer { lower in
          guard let clusters = clusters.baseAddress, let upper = upper.baseAddress,
            let lower = lower.baseAddress
          else { return }
          // SAFETY: each part writes its own rows, each worker its own scratch.
          nonisolated(unsafe) let bounds = Bounds(clusters: clusters, upper: upper, lower: lower)
          nonisolated(unsafe) let memory = scratch
          workers.parallelTiles(parts.count) { part, worker in
            for start in stride(
              from: parts[part].lowerBound, to: parts[part].upperBound, by: rows)
            {
              Self.assign(
                start..<min(start + rows, parts[part].upperBound), x, squares, centres,
                halfSeparations, bounds, scratch: memory + worker * scratchCount)
            }
          }
        }
      }
    }
    let changed = (0..<x.rows).filter { clusters[$0] != previous[$0] }
    move(changed, from: previous, x, workers)
    return changed.count
  }

  private struct Bounds {
    var clusters: UnsafeMutablePointer<Int32>
    var upper: UnsafeMutablePointer<Float>
    var lower: UnsafeMutablePointer<Float>
  }

  private static func assign(
    _ rows: Range<Int>, _ x: FeatureMatrix, _ squares: [Float], _ centres: Centres,
    _ halfSeparations: [Float], _ bounds: Bounds, scratch: UnsafeMutablePointer<Float>
  ) {
    let (count, columns) = (centres.count, x.columns)
    let distances = scratch
    let gathered = distances + Centres.blockRows * count
    let space = gathered + Centres.blockRows * columns
    withUnsafeTemporaryAllocation(of: Int.self, capacity: rows.count) { candidates in
      var found = 0
      for row in rows {
        let cluster = bounds.clusters[row]
        if cluster >= 0 {
          let safe = max(bounds.lower[row], halfSeparations[Int(cluster)])
          if bounds.upper[row] * (1 + slack) < safe { continue }
        }
        candidates[found] = row
        found += 1
      }
      guard found > 0 else { return }
      var block = UnsafePointer(x.values + rows.lowerBound * columns)
      if found < rows.count {
        for index in 0..<found {
          (gathered + index * columns).update(
            from: x.values + candidates[index] * columns, count: columns)
        }
        block = UnsafePointer(gathered)
      }
      centres.relativeDistances(block, rows: found, into: distances, scratch: space)
      for index in 0..<found {
        let row = candidates[index]
        let values = distances + index * count
        var (best, second) = (0, Float.infinity)
        for cluster in 1..<max(1, count) {
          if values[cluster] < values[best] {
            second = values[best]
            best = cluster
          } else if values[cluster] < second {
            second = values[cluster]
          }
        }
        bounds.clusters[row] = Int32(best)
        bounds.upper[row] = max(0, values[best] + squares[row]).squareRoot()
        bounds.lower[row] = max(0, second + squares[row]).squareRoot()
      }
    }
  }

  /// Takes rows out of their old sums and adds them to their new ones, column by column in the
  /// order of the rows.
  private mutating func move(
    _ rows: [Int], from previous: [Int32], _ x: FeatureMatrix, _ workers: WorkerPool
  ) {
    for row in rows {
      if previous[row] >= 0 { counts[Int(previous[row])] -= 1 }
      counts[Int(clusters[row])] += 1
    }
    let columns = x.columns
    let width = 64
    let current = clusters
    sums.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      // SAFETY: each part writes its own columns.
      nonisolated(unsafe) let sums = base
      workers.parallelFor((columns + width - 1) / width) { part in
        let range = part * width..<min(columns, (part + 1) * width)
        for row in rows {
          let values = x.values + row * columns
          let new = sums + Int(current[row]) * columns
          for column in range { new[column] += Double(values[column]) }
          guard previous[row] >= 0 else { continue }
          let old = sums + Int(previous[row]) * columns
          for column in range { old[column] -= Double(values[column]) }
        }
      }
    }
  }

  /// Widens the bounds by how far each centre moved.
  mutating func move(centres shifts: [Float]) {
    var (largest, runnerUp, which) = (Float(0), Float(0), -1)
    for (index, shift) in shifts.enumerated() {
      if shift > largest {
        runnerUp = largest
        largest = shift
        which = index
      } else if shift > runnerUp {
        runnerUp = shift
      }
    }
    for row in clusters.indices {
      let cluster = Int(clusters[row])
      upper[row] += shifts[cluster]
      lower[row] -= cluster == which ? runnerUp : largest
    }
  }
}
