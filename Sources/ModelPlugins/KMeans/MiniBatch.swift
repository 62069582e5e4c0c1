// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Rows that are drawn from a matrix, side by side, and what mini-batch k-means asks of them.
final class MiniBatch: @unchecked Sendable {
  // SAFETY: written in `init` alone.
  let values: UnsafePointer<Float>
  /// ‖x‖² of each row.
  let squares: [Float]
  private let memory: UnsafeMutablePointer<Float>
  private let count: Int
  private let columns: Int
  private let workers: WorkerPool

  /// First centres are sought among this many batches, as scikit-learn does.
  static let sampleRows = 3
  /// Columns that one task adds up.
  private static let columnsAtOnce = 128

  /// Draws `count` rows, with replacement.
  init(
    _ x: FeatureMatrix, count: Int, random: Philox, workers: WorkerPool,
    instructionSet: InstructionSet
  ) {
    let columns = x.columns
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: max(1, count * columns))
    self.memory = memory
    values = UnsafePointer(memory)
    self.count = count
    self.columns = columns
    self.workers = workers
    var squares = [Float](repeating: 0, count: count)
    squares.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      // SAFETY: each block writes its own rows.
      nonisolated(unsafe) let (out, copies) = (base, memory)
      let blockRows = Centres.blockRows
      workers.parallelFor((count + blockRows - 1) / blockRows) { block in
        for index in block * blockRows..<min(count, (block + 1) * blockRows) {
          let row = random.integer(at: UInt64(index), below: x.rows)
          let copy = copies + index * columns
          copy.update(from: x.values + row * columns, count: columns)
          out[index] = instructionSet.sumOfSquares(copy, count: columns)
        }
      }
    }
    self.squares = squares
  }

  deinit { memory.deallocate() }

  /// The nearest centre of each row, the first of equals, and the sum of the squared distances.
  func nearest(_ centres: Centres) -> (clusters: [Int32], inertia: Double) {
    var clusters = [Int32](repeating: 0, count: count)
    let blockRows = Centres.blockRows
    let blocks = (count + blockRows - 1) / blockRows
    var parts = [Double](repeating: 0, count: blocks)
    clusters.withUnsafeMutableBufferPointer { clusters in
      parts.withUnsafeMutableBufferPointer { parts in
        guard let clusters = clusters.baseAddress, let parts = parts.baseAddress else { return }
        // SAFETY: each block writes its own rows and sum.
        nonisolated(unsafe) let (out, sums) = (clusters, parts)
        workers.parallelFor(blocks) { block in
          let start = block * blockRows
          let rows = min(blockRows, count - start)
          let k = centres.count
          withUnsafeTemporaryAllocation(
            of: Float.self, capacity: max(1, centres.scratchCount + rows * k)
          ) { scratch in
            guard let distances = scratch.baseAddress else { return }
            centres.relativeDistances(
              values + start * columns, rows: rows, into: distances, scratch: distances + rows * k)
            for row in 0..<rows {
              let own = distances + row * k
              var best = 0
              for index in 1..<max(1, k) where own[index] < own[best] { best = index }
              out[start + row] = Int32(best)
              sums[block] += Double(max(0, own[best] + squares[start + row]))
            }
          }
        }
      }
    }
    return (clusters, parts.reduce(0, +))
  }

  /// The sum of the rows of each cluster, (clusters, columns), and how many they are.
  func sums(by clusters: [Int32], count clusterCount: Int) -> (sums: [Double], counts: [Int]) {
    var counts = [Int](repeating: 0, count: clusterCount)
    for cluster in clusters { counts[Int(cluster)] += 1 }
    var sums = [Double](repeating: 0, count: clusterCount * columns)
    sums.withUnsafeMutableBufferPointer { buffer in
      clusters.withUnsafeBufferPointer { clusters in
        guard let base = buffer.baseAddress else { return }
        // SAFETY: each task writes its own columns.
        nonisolated(unsafe) let (out, clusters) = (base, clusters)
        let width = Self.columnsAtOnce
        workers.parallelFor((columns + width - 1) / width) { task in
          let part = task * width..<min(columns, (task + 1) * width)
          for row in 0..<count {
            let (source, target) = (
              values + row * columns, out + Int(clusters[row]) * columns
            )
            for column in part { target[column] += Double(source[column]) }
          }
        }
      }
    }
    return (sums, counts)
  }
}
