// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Grows trees on a coded table, depth first.
///
/// A tree is a function of the table, the target, the rules, the seed and the samples: what a node
/// draws at random depends on the path that leads to it, not on when its turn comes, and where work
/// is shared among threads, each part's result has its place.
final class TreeGrower: Sendable {
  let table: CodedTable
  let target: TreeTarget
  let rules: GrowthRules
  let instructionSet: InstructionSet
  let kernels: TreeKernels
  let scratches: TreeScratchPool

  init(
    table: CodedTable, target: TreeTarget, rules: GrowthRules, instructionSet: InstructionSet,
    maxSamples: Int
  ) {
    self.table = table
    self.target = target
    self.rules = rules
    self.instructionSet = instructionSet
    kernels = TreeKernels(instructionSet)
    let classes = if case .classes(let classes) = target { classes.count } else { 0 }
    scratches = TreeScratchPool(
      samples: maxSamples, classes: classes, columns: table.columnCount)
  }

  /// The samples of a tree, and those that only follow their way to a leaf.
  ///
  /// Used by one tree's growing alone; a subtree's part of it by one thread at a time.
  struct Samples: @unchecked Sendable {
    /// Row, and what the kernels keep above it.
    let drawn: UnsafeMutableBufferPointer<UInt64>
    let outOfBag: UnsafeMutableBufferPointer<UInt64>
  }

  /// Grows a tree.
  ///
  /// - Parameters:
  ///   - key: of the tree's random numbers.
  ///   - workers: what to share the work among; nil where the trees are shared out already.
  ///   - isCancelled: asked at every node of some size.
  /// - Returns: nil when it was cancelled.
  func grow(
    _ samples: Samples, key: UInt64, workers: WorkerPool?, isCancelled: () -> Bool
  ) -> GrownTree? {
    let scratch = scratches.take()
    defer { scratches.giveBack(scratch) }
    let all = NodeSearch.Statistics(UnsafeBufferPointer(samples.drawn), target, scratch)
    let search = NodeSearch(grower: self, samples: samples, key: key, totalWeight: all.weight)
    let root = NodeSearch.Place(
      drawn: 0..<samples.drawn.count, outOfBag: 0..<samples.outOfBag.count, depth: 0, path: 1,
      columns: nil)
    guard let workers else {
      return search.growSubtree(root, scratch, isCancelled: isCancelled)
    }
    return search.growShared(root, scratch, workers, isCancelled: isCancelled)
  }
}
