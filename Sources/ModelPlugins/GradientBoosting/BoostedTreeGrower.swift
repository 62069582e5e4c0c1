// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Grows boosted trees leaf by leaf: the leaf whose split gains most is split next.
///
/// A split costs one pass over the rows of its smaller child, group of columns by group: the child's
/// histograms are built, the parent's less these are the other child's, and both are searched while
/// they are in the cache. Small leaves keep no histograms: to build them anew costs less than the
/// memory traffic.
///
/// Gradients and Hessians are fixed-point numbers with 30 bits for the sum of all magnitudes, so
/// that histograms have the same bits however work is shared. The values of leaves are made of the
/// gradients themselves.
///
/// `@unchecked Sendable`: immutable but for the pool, which has its lock.
final class BoostedTreeGrower: @unchecked Sendable {
  let table: CodedTable
  let rules: BoostingRules
  let kernels: GradientKernels
  let workers: WorkerPool
  let pool: HistogramPool

  init(
    table: CodedTable, rules: BoostingRules, kernels: GradientKernels, workers: WorkerPool
  ) {
    self.table = table
    self.rules = rules
    self.kernels = kernels
    self.workers = workers
    pool = HistogramPool(groups: table.groupCount)
  }

  /// What a tree is grown on.
  struct Problem: @unchecked Sendable {
    // SAFETY: read only, by the threads that grow the tree, while their owner waits for it.
    /// One for each row of the table.
    let gradients: UnsafePointer<Float>
    let hessians: UnsafePointer<Float>
    /// The rows that are learned from, ascending.
    let rows: [UInt32]
    /// The other rows, which only follow their way to a leaf.
    let others: [UInt32]
    /// Which columns may be split.
    let isAllowed: [Bool]
    /// Whether every Hessian is 1.
    let hasConstantHessian: Bool
  }

  /// A tree, and which rows came to which of its leaves.
  struct Grown {
    var tree: GrownTree
    /// All rows, leaf by leaf.
    var leaves: [(node: Int, rows: ArraySlice<UInt32>, others: ArraySlice<UInt32>)]
  }

  /// Grows a tree.
  ///
  /// - Returns: nil when it was cancelled.
  /// - Throws: `.resourceExhausted` when memory is short.
  func grow(_ problem: Problem, isCancelled: () -> Bool) throws(PluginError) -> Grown? {
    var growth = try BoostedTreeGrowth(self, problem)
    return try growth.run(isCancelled: isCancelled)
  }
}

/// One tree while it grows.
struct BoostedTreeGrowth {
  private let grower: BoostedTreeGrower
  private let problem: BoostedTreeGrower.Problem
  private let scale: FixedPoint
  /// Of every row of the table.
  private let packed: TreeMemory<Int64>
  /// Of a leaf's rows, in their order.
  private let gathered: TreeMemory<Int64>
  private let rows: TreeMemory<UInt32>
  private let others: TreeMemory<UInt32>
  private let scratch: TreeMemory<UInt32>
  private var tree = GrownTree(width: 1)
  private var leaves: [Leaf] = []

  /// A leaf that may be split.
  private struct Leaf {
    var node: Int
    var rows: Range<Int>
    var others: Range<Int>
    var depth: Int
    /// The packed sums of its gradients and Hessians.
    var total: Int64
    /// Of all columns; nil where the leaf is small, or needs no further search.
    var histogram: TreeMemory<Int64>?
    var best = BoostedSplit()
  }

  /// Rows from which on a leaf keeps its histograms.
  private static let keptSamples = 512

  init(
    _ grower: BoostedTreeGrower, _ problem: BoostedTreeGrower.Problem
  ) throws(PluginError) {
    self.grower = grower
    self.problem = problem
    packed = try TreeMemory(count: grower.table.rowCount)
    gathered = try TreeMemory(count: problem.rows.count)
    rows = try TreeMemory(count: problem.rows.count)
    others = try TreeMemory(count: problem.others.count)
    scratch = try TreeMemory(count: max(problem.rows.count, problem.others.count))
    scale = FixedPoint(problem)
    for (index, row) in problem.rows.enumerated() { rows.base[index] = row }
    for (index, row) in problem.others.enumerated() { others.base[index] = row }
    grower.kernels.pack(
      gradients: problem.gradients, times: scale.gradientFactor, hessians: problem.hessians,
      times: scale.hessianFactor, count: grower.table.rowCount, into: packed.base)
  }

  mutating func run(isCancelled: () -> Bool) throws(PluginError) -> BoostedTreeGrower.Grown? {
    var root = Leaf(
      node: 0, rows: 0..<problem.rows.count, others: 0..<problem.others.count, depth: 0, total: 0)
    root.total = root.rows.reduce(into: 0) { $0 += packed.base[Int(rows.base[$1])] }
    addNode(root)
    let histogram = try grower.pool.take()
    search(root, built: histogram, other: nil, remaining: nil) {
      root.best = $0
    } _: { _ in
    }
    root.histogram = histogram
    leaves = [root]
    while leaves.count < grower.rules.maxLeaves, let index = mostGaining() {
      if isCancelled() { return nil }
      try split(index)
    }
    for leaf in leaves { if let histogram = leaf.histogram { grower.pool.giveBack(histogram) } }
    return finished()
  }

  private func mostGaining() -> Int? {
    var best: Int?
    for index in leaves.indices where leaves[index].best.column >= 0 {
      // The first of equals: leaves stand in the order in which they were made.
      if best.map({ leaves[index].best.gain > leaves[$0].best.gain }) ?? true { best = index }
    }
    return best
  }

  /// Splits a leaf: its place goes to its left child, the right one comes at the end.
  private mutating func split(_ index: Int) throws(PluginError) {
    let parent = leaves[index]
    let column = parent.best.column
    let width = TreeKernels.groupWidth
    let codes =
      UnsafeRawPointer(grower.table.words(ofGroup: column / width))
      .assumingMemoryBound(to: UInt8.self) + column % width
    var split = parent.best.split
    let leftCount = grower.kernels.partition(
      rows.base + parent.rows.lowerBound, count: parent.rows.count, codes: codes, by: split,
      scratch: scratch.base)
    // Where nothing was missing, what is missing later goes the way of most samples.
    if !split.hasMissing { split.missingGoLeft = leftCount * 2 > parent.rows.count }
    let leftOthers = grower.kernels.partition(
      others.base + parent.others.lowerBound, count: parent.others.count, codes: codes, by: split,
      scratch: scratch.base)

    var left = parent
    (left.histogram, left.depth, left.best) = (nil, parent.depth + 1, BoostedSplit())
    var right = left
    let middle = parent.rows.lowerBound + leftCount
    let middleOthers = parent.others.lowerBound + leftOthers
    left.rows = parent.rows.lowerBound..<middle
    right.rows = middle..<parent.rows.upperBound
    left.others = parent.others.lowerBound..<middleOthers
    right.others = middleOthers..<parent.others.upperBound
    left.total = split.leftSums
    right.total = parent.total - split.leftSums
    describe(split, of: parent, left: &left, right: &right)
    if leaves.count + 1 < grower.rules.maxLeaves, left.depth < grower.rules.maxDepth {
      try search(&left, &right, parent.histogram)
    } else if let histogram = parent.histogram {
      grower.pool.giveBack(histogram)
    }
    leaves[index] = left
    leaves.append(right)
  }

  /// Searches the two children of a split for theirs.
  private mutating func search(
    _ left: inout Leaf, _ right: inout Leaf, _ parent: TreeMemory<Int64>?
  ) throws(PluginError) {
    let leftIsSmall = left.rows.count <= right.rows.count
    var small = leftIsSmall ? left : right
    var large = leftIsSmall ? right : left
    if let parent {
      // The parent's becomes the large child's.
      small.histogram = small.rows.count >= Self.keptSamples ? try grower.pool.take() : nil
      var (smallBest, largeBest) = (BoostedSplit(), BoostedSplit())
      search(small, built: small.histogram, other: large, remaining: parent) {
        smallBest = $0
      } _: {
        largeBest = $0
      }
      (small.best, large.best) = (smallBest, largeBest)
      if large.rows.count >= Self.keptSamples {
        large.histogram = parent
      } else {
        grower.pool.giveBack(parent)
      }
    } else {
      var best = BoostedSplit()
      search(small, built: nil, other: nil, remaining: nil) {
        best = $0
      } _: { _ in
      }
      small.best = best
      search(large, built: nil, other: nil, remaining: nil) {
        best = $0
      } _: { _ in
      }
      large.best = best
    }
    (left, right) = leftIsSmall ? (small, large) : (large, small)
  }

  /// Builds the histograms of a leaf and searches them; of its sibling too, whose histograms are
  /// the parent's less these.
  ///
  /// - Parameters:
  ///   - built: where the histograms stay; nil: nowhere.
  ///   - remaining: the parent's, which become the sibling's.
  private func search(
    _ leaf: Leaf, built: TreeMemory<Int64>?, other: Leaf?, remaining: TreeMemory<Int64>?,
    _ found: (BoostedSplit) -> Void, _ foundOther: (BoostedSplit) -> Void
  ) {
    let (grower, problem) = (grower, problem)
    let (rows, gathered, packed) = (rows.base + leaf.rows.lowerBound, gathered.base, packed.base)
    let count = leaf.rows.count
    for index in 0..<count { gathered[index] = packed[Int(rows[index])] }
    let isWhole = count == grower.table.rowCount
    let leafSearch = BoostedLeafSearch(
      leaf.total, rows: count, grower.rules, scale)
    let otherSearch = other.map {
      BoostedLeafSearch($0.total, rows: $0.rows.count, grower.rules, scale)
    }
    let groups = grower.table.groupCount
    let results = BoostedSplits(count: 2 * groups)
    // SAFETY: tiles write histograms and results of groups of their own, and all of them end before
    // this returns.
    nonisolated(unsafe) let (rowPointer, gradientPointer) = (
      UnsafePointer(rows), UnsafePointer(gathered)
    )
    grower.workers.parallelFor(groups) { group in
      let slots = HistogramPool.groupSlots
      let columns = grower.table.columns(ofGroup: group)
      guard columns.contains(where: { problem.isAllowed[$0] }) else { return }
      withUnsafeTemporaryAllocation(of: Int64.self, capacity: built == nil ? slots : 1) { room in
        guard let room = room.baseAddress else { return }
        let histogram = built.map { $0.base + group * slots } ?? room
        histogram.update(repeating: 0, count: slots)
        grower.kernels.addHistogram(
          histogram, codes: grower.table.words(ofGroup: group),
          rows: isWhole ? nil : rowPointer, gradients: gradientPointer, count: count)
        results[2 * group] = leafSearch.best(
          of: columns, isAllowed: problem.isAllowed, histogram, grower.table, grower.kernels)
        guard let otherSearch, let remaining else { return }
        let rest = remaining.base + group * slots
        grower.kernels.subtract(histogram, from: rest, count: slots)
        results[2 * group + 1] = otherSearch.best(
          of: columns, isAllowed: problem.isAllowed, rest, grower.table, grower.kernels)
      }
    }
    found(results.best(from: 0, by: 2))
    foundOther(results.best(from: 1, by: 2))
  }

  private mutating func addNode(_ leaf: Leaf) {
    var node = GrownTree.Node()
    node.samples = leaf.rows.count
    node.weight = scale.hessian(leaf.total)
    tree.nodes.append(node)
    tree.values.append(0)
  }

  private mutating func describe(
    _ split: TreeSplit, of parent: Leaf, left: inout Leaf, right: inout Leaf
  ) {
    left.node = tree.nodes.count
    right.node = tree.nodes.count + 1
    let column = parent.best.column
    let bins = grower.table.bins[column]
    var node = tree.nodes[parent.node]
    node.column = Int32(column)
    node.missingGoLeft = split.missingGoLeft
    node.gain = parent.best.gain
    node.left = Int32(left.node)
    node.right = Int32(right.node)
    if split.isCategorical {
      node.categorySet = tree.addCategorySet(split.categories)
    } else {
      let next = split.bin + 1 < bins.count ? split.bin + 1 : nil
      node.threshold = bins.threshold(after: split.bin, before: next)
    }
    tree.nodes[parent.node] = node
    addNode(left)
    addNode(right)
  }

  /// Gives leaves their values: −G / (H + l2), times the learning rate.
  private mutating func finished() -> BoostedTreeGrower.Grown {
    let rules = grower.rules
    var grown: [(node: Int, rows: ArraySlice<UInt32>, others: ArraySlice<UInt32>)] = []
    let allRows = Array(UnsafeBufferPointer(start: rows.base, count: problem.rows.count))
    let allOthers = Array(UnsafeBufferPointer(start: others.base, count: problem.others.count))
    for leaf in leaves {
      var (g, h) = (0.0, 0.0)
      for row in allRows[leaf.rows] {
        g += Double(problem.gradients[Int(row)])
        h += Double(problem.hessians[Int(row)])
      }
      let denominator = h + rules.l2
      tree.values[leaf.node] =
        denominator > 0 ? Float(-g / denominator * rules.learningRate) : 0
      grown.append((leaf.node, allRows[leaf.rows], allOthers[leaf.others]))
    }
    return BoostedTreeGrower.Grown(tree: tree, leaves: grown)
  }
}
