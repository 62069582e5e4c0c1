// SPDX-License-Identifier: Apache-2.0
import Runtime

extension TreeEnsemble {
  /// How the values of trees make up a row's scores.
  enum Combination: Sendable, Hashable {
    /// Each tree has a value for every output.
    case everyOutput
    /// Tree t has the value of output t mod `outputs`.
    case oneOutputEach(outputs: Int)
  }

  /// Rows that one tile asks all trees about; their scores stay in a first-level cache.
  private static let tileRows = 64

  /// Adds every tree's values to the scores (rows, outputs), in the order of the trees.
  ///
  /// The same bits for a row whatever rows come with it.
  ///
  /// - Parameters:
  ///   - rows: (count, columns), row-major; categories by their index, NaN for missing values.
  func addScores(
    of rows: UnsafePointer<Float>, count: Int, to scores: UnsafeMutablePointer<Double>,
    _ combination: Combination, workers: WorkerPool, kernels: TreeKernels
  ) {
    let outputs =
      switch combination {
      case .everyOutput: width
      case .oneOutputEach(let outputs): outputs
      }
    // SAFETY: tiles write rows of their own, and all of them end before this returns.
    nonisolated(unsafe) let (rows, scores) = (rows, scores)
    links.withUnsafeBufferPointer { links in
      values.withUnsafeBufferPointer { values in
        // One more word, so that there is an address without categories too.
        (categorySets + [0]).withUnsafeBufferPointer { sets in
          guard let links = links.baseAddress, let values = values.baseAddress,
            let sets = sets.baseAddress
          else { return }
          let tiles = (count + Self.tileRows - 1) / Self.tileRows
          workers.parallelFor(tiles) { tile in
            let first = tile * Self.tileRows
            let rowCount = min(Self.tileRows, count - first)
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Self.tileRows) { leaves in
              guard let leaves = leaves.baseAddress else { return }
              for tree in roots.indices {
                kernels.leaves(
                  of: rows + first * columnCount, stride: columnCount, count: rowCount,
                  links: links, root: UInt32(roots[tree]), categories: sets, into: leaves)
                let output = if case .oneOutputEach = combination { tree % outputs } else { 0 }
                kernels.add(
                  values, width: width, of: leaves, count: rowCount,
                  to: scores + first * outputs + output, stride: outputs)
              }
            }
          }
        }
      }
    }
  }
}
