// SPDX-License-Identifier: Apache-2.0
import Runtime

/// How well rows lie in their clusters (Rousseeuw, "Silhouettes", 1987), over at most a thousand
/// rows, evenly spaced: the measure takes every pair.
struct Silhouette {
  let workers: WorkerPool
  let instructionSet: InstructionSet

  private static let maxRows = 1000

  /// The mean of (b - a) / max(a, b), a the mean distance to the own cluster's other rows, b that to
  /// the nearest other cluster's.
  ///
  /// - Parameter clusters: of each row; below 0 for noise, which is left out.
  /// - Returns: nil with fewer than two clusters among the rows.
  func score(_ x: FeatureMatrix, _ clusters: [Int32]) -> Double? {
    let count = min(x.rows, Self.maxRows)
    let rows = (0..<count).map { $0 * x.rows / count }.filter { clusters[$0] >= 0 }
    let present = Set(rows.map { clusters[$0] }).sorted()
    guard present.count >= 2 else { return nil }
    let position = Dictionary(uniqueKeysWithValues: zip(present, 0...))
    let own = rows.map { position[clusters[$0]] ?? 0 }
    var sizes = [Int](repeating: 0, count: present.count)
    for cluster in own { sizes[cluster] += 1 }
    let distances = self.distances(x, rows)
    let total = rows.indices.reduce(0.0) { total, row in
      guard sizes[own[row]] > 1 else { return total }
      var sums = [Double](repeating: 0, count: present.count)
      for other in rows.indices { sums[own[other]] += distances[row &* rows.count &+ other] }
      let a = sums[own[row]] / Double(sizes[own[row]] - 1)
      let b =
        present.indices.filter { $0 != own[row] }.map { sums[$0] / Double(sizes[$0]) }.min() ?? 0
      return total + (max(a, b) > 0 ? (b - a) / max(a, b) : 0)
    }
    return total / Double(rows.count)
  }

  /// ‖a - b‖ of every pair of rows, from the products of the rows in double precision:
  /// ‖a - b‖² = a·a + b·b - 2 a·b.
  private func distances(_ x: FeatureMatrix, _ rows: [Int]) -> [Double] {
    let (m, d) = (rows.count, x.columns)
    var transposed = [Float](repeating: 0, count: m * d)
    for (index, row) in rows.enumerated() {
      for column in 0..<d { transposed[column &* m &+ index] = x.values[row &* d &+ column] }
    }
    var distances = transposed.withUnsafeBufferPointer { values in
      values.baseAddress.map {
        GramMatrix(workers: workers, instructionSet: instructionSet)
          .compute($0, rows: d, columns: m, stride: m)
      } ?? []
    }
    let squares = (0..<m).map { distances[$0 &* m &+ $0] }
    for a in 0..<m {
      for b in 0..<m {
        let index = a &* m &+ b
        // Rounding must not leave a row away from itself.
        let square = a == b ? 0 : max(0, squares[a] + squares[b] - 2 * distances[index])
        distances[index] = square.squareRoot()
      }
    }
    return distances
  }
}
