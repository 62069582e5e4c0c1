// SPDX-License-Identifier: Apache-2.0
import Glibc
import Runtime

/// First centres, far from each other (Arthur and Vassilvitskii, "k-means++: the advantages of
/// careful seeding", 2007), the best of a few candidates each time.
struct KMeansPlusPlus {
  /// (rows, columns).
  let values: UnsafePointer<Float>
  let rows: Int
  let columns: Int
  /// ‖x‖² of each row.
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
    var chosen = row(min(rows - 1, Int(uniform() * Double(rows))))
    var closest = distances(to: chosen, workers)[0]
    for _ in 1..<max(1, count) {
      // Rows are drawn with probabilities as their squared distances.
      var cumulative = [Double](repeating: 0, count: rows)
      var sum = 0.0
      for index in closest.indices {
        sum += Double(closest[index])
        cumulative[index] = sum
      }
      let candidates = (0..<trials).map { _ in
        let draw = uniform() * sum
        return min(rows - 1, Self.firstIndex(of: draw, in: cumulative))
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
    Array(UnsafeBufferPointer(start: values + index * columns, count: columns))
  }

  /// Squared distances of all rows to each point.
  private func distances(to points: [Float], _ workers: WorkerPool) -> [[Float]] {
    let centres = Centres(points, columns: columns, instructionSet: instructionSet)
    let (count, blockRows) = (centres.count, Centres.blockRows)
    let blocks = (rows + blockRows - 1) / blockRows
    var all = [Float](repeating: 0, count: rows * count)
    let scratchCount = max(1, centres.scratchCount)
    let scratch = UnsafeMutablePointer<Float>.allocate(capacity: workers.threadCount * scratchCount)
    defer { scratch.deallocate() }
    all.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      // SAFETY: each block writes its own rows, each worker its own scratch.
      nonisolated(unsafe) let (out, memory) = (base, scratch)
      workers.parallelTiles(blocks) { block, worker in
        let start = block * blockRows
        centres.relativeDistances(
          values + start * columns, rows: min(blockRows, rows - start), into: out + start * count,
          scratch: memory + worker * scratchCount)
      }
    }
    return (0..<count).map { point in
      (0..<rows).map { max(0, all[$0 * count + point] + squares[$0]) }
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
