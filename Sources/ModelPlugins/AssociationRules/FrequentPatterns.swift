// SPDX-License-Identifier: Apache-2.0
import Runtime
import Synchronization

/// Sets of items that occur together often: FP-growth (Han, Pei and Yin, "Mining frequent patterns
/// without candidate generation", 2000), with one order of the items for all conditional trees.
struct FrequentPatterns {
  /// A set of items, ascending, and how many baskets have them all.
  struct ItemSet: Hashable, Sendable {
    var items: [Int32]
    var count: Int
  }

  /// Baskets that an item set must be in.
  let minimumCount: Int
  /// Items of a set at most.
  let maxItems: Int
  /// Sets at most; more say that the support is too low for the data.
  let maxSets: Int

  /// Raised by `mine` when there are more than `maxSets` sets.
  struct TooMany: Error {}

  /// All item sets with at least `minimumCount` baskets, by falling count, then by their items.
  ///
  /// - Parameter baskets: items of each, in any order, each once.
  func mine(
    _ baskets: [[Int32]], itemCount: Int, workers: WorkerPool, isCancelled: () -> Bool
  ) throws(TooMany) -> [ItemSet] {
    var counts = [Int](repeating: 0, count: itemCount)
    for basket in baskets { for item in basket { counts[Int(item)] += 1 } }
    let frequent = (0..<itemCount).filter { counts[$0] >= minimumCount }
      .sorted { counts[$0] != counts[$1] ? counts[$0] > counts[$1] : $0 < $1 }
    var rank = [Int32](repeating: -1, count: itemCount)
    for (index, item) in frequent.enumerated() { rank[item] = Int32(index) }
    var (paths, ends) = ([Int32](), [Int]())
    paths.reserveCapacity(counts.reduce(0, +))
    for basket in baskets {
      let start = paths.count
      for item in basket where rank[Int(item)] >= 0 { paths.append(rank[Int(item)]) }
      paths[start...].sort()
      ends.append(paths.count)
    }
    let tree = PatternTree(rankLimit: frequent.count)
    tree.build(paths, ends: ends, rankCount: frequent.count)
    var sets = try search(tree, items: frequent.map { Int32($0) }, workers, isCancelled)
    sets.sort {
      $0.count != $1.count
        ? $0.count > $1.count
        : $0.items.count != $1.items.count
          ? $0.items.count < $1.items.count : $0.items.lexicographicallyPrecedes($1.items)
    }
    return sets
  }

  /// Searches below each item for itself: what ends in one item does not meet what ends in another.
  private func search(
    _ tree: PatternTree, items: [Int32], _ workers: WorkerPool, _ isCancelled: () -> Bool
  ) throws(TooMany) -> [ItemSet] {
    let found = Atomic(0)
    var parts = [[ItemSet]](repeating: [], count: items.count)
    parts.withUnsafeMutableBufferPointer { parts in
      guard let base = parts.baseAddress else { return }
      // SAFETY: each task writes its own part.
      nonisolated(unsafe) let out = base
      withoutActuallyEscaping(isCancelled) { isCancelled in
        nonisolated(unsafe) let isCancelled = isCancelled
        workers.parallelFor(items.count) { task in
          // The rarest item has the deepest tree; it begins first.
          let rank = items.count - 1 - task
          var search = Search(patterns: self, items: items)
          search.grow(tree, rank: rank, found, isCancelled)
          out[task] = search.sets
        }
      }
    }
    guard found.load(ordering: .relaxed) <= maxSets else { throw TooMany() }
    return parts.flatMap { $0 }
  }

  /// The search below one item, with a tree for each depth.
  private struct Search {
    let patterns: FrequentPatterns
    /// The item of each rank.
    let items: [Int32]
    var sets: [ItemSet] = []
    private var suffix: [Int32] = []
    private var trees: [PatternTree] = []

    init(patterns: FrequentPatterns, items: [Int32]) {
      self.patterns = patterns
      self.items = items
    }

    /// Adds all sets whose rarest items are the suffix and that of `rank`.
    mutating func grow(
      _ tree: PatternTree, rank: Int, _ found: borrowing Atomic<Int>, _ isCancelled: () -> Bool
    ) {
      let count = tree.count(of: rank)
      guard count >= patterns.minimumCount, !isCancelled() else { return }
      guard found.add(1, ordering: .relaxed).newValue <= patterns.maxSets else { return }
      suffix.append(items[rank])
      defer { suffix.removeLast() }
      sets.append(ItemSet(items: suffix.sorted(), count: count))
      guard suffix.count < patterns.maxItems, rank > 0 else { return }
      if trees.count < suffix.count { trees.append(PatternTree(rankLimit: items.count)) }
      let conditional = trees[suffix.count - 1]
      guard conditional.build(above: rank, of: tree, minimumCount: patterns.minimumCount) else {
        return
      }
      for rank in (0..<rank).reversed() { grow(conditional, rank: rank, found, isCancelled) }
    }
  }
}
