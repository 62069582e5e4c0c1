// SPDX-License-Identifier: Apache-2.0

/// A prefix tree of baskets whose items are ranks, ascending from the root: a node for each prefix,
/// with how many baskets have it.
///
/// Its memory is used again from one tree to the next, so that mining allocates a tree for each
/// depth and no more.
final class PatternTree: @unchecked Sendable {
  // SAFETY: one thread builds a tree; others read it once it is built.
  private struct Node {
    var count: Int
    var rank: Int32
    var parent: Int32
    /// The next node of the same rank.
    var link: Int32
    var firstChild: Int32
    var sibling: Int32
  }

  // SAFETY: nodes[..<used] are initialised; the root is node 0.
  private var nodes: UnsafeMutablePointer<Node>
  private var capacity: Int
  private var used = 0
  /// Of each rank: its first node, its baskets, and its child of the root.
  private let heads: UnsafeMutablePointer<Int32>
  private let counts: UnsafeMutablePointer<Int>
  private let rootChildren: UnsafeMutablePointer<Int32>
  private let path: UnsafeMutablePointer<Int32>
  private let rankLimit: Int
  /// Ranks of this tree are below this.
  private(set) var rankCount = 0

  /// - Parameter rankLimit: ranks that any tree kept here will have.
  init(rankLimit: Int) {
    self.rankLimit = rankLimit
    capacity = 64
    nodes = .allocate(capacity: capacity)
    heads = .allocate(capacity: max(1, rankLimit))
    counts = .allocate(capacity: max(1, rankLimit))
    rootChildren = .allocate(capacity: max(1, rankLimit))
    path = .allocate(capacity: max(1, rankLimit))
  }

  deinit {
    nodes.deallocate()
    heads.deallocate()
    counts.deallocate()
    rootChildren.deallocate()
    path.deallocate()
  }

  /// Baskets that have an item.
  func count(of rank: Int) -> Int { counts[rank] }

  /// Makes it the tree of whole baskets: paths of ranks, ascending, side by side.
  func build(_ ranks: [Int32], ends: [Int], rankCount: Int) {
    clear(rankCount)
    reserve(ranks.count + 1)
    ranks.withUnsafeBufferPointer { ranks in
      guard let base = ranks.baseAddress else { return }
      for index in 0..<ranks.count { counts[Int(base[index])] &+= 1 }
      var start = 0
      for end in ends {
        insert(base + start, count: end - start, baskets: 1)
        start = end
      }
    }
  }

  /// Makes it the conditional tree of a rank of another: what stands above that rank's nodes, of the
  /// ranks that are in `minimumCount` baskets there.
  ///
  /// - Returns: whether any rank is.
  func build(above rank: Int, of tree: PatternTree, minimumCount: Int) -> Bool {
    clear(rank)
    let nodes = tree.nodes
    var visited = 1
    var node = tree.heads[rank]
    while node >= 0 {
      let count = nodes[Int(node)].count
      var parent = nodes[Int(node)].parent
      while parent > 0 {
        counts[Int(nodes[Int(parent)].rank)] &+= count
        visited &+= 1
        parent = nodes[Int(parent)].parent
      }
      node = nodes[Int(node)].link
    }
    var isEmpty = true
    for index in 0..<rank {
      if counts[index] >= minimumCount { isEmpty = false } else { counts[index] = 0 }
    }
    guard !isEmpty else { return false }
    // A path has no more nodes than were visited for it.
    reserve(visited)
    node = tree.heads[rank]
    while node >= 0 {
      // Climbing meets the ranks in falling order: filled from the end they rise.
      var first = rankLimit
      var parent = nodes[Int(node)].parent
      while parent > 0 {
        let rank = nodes[Int(parent)].rank
        if counts[Int(rank)] > 0 {
          first &-= 1
          path[first] = rank
        }
        parent = nodes[Int(parent)].parent
      }
      insert(path + first, count: rankLimit - first, baskets: nodes[Int(node)].count)
      node = nodes[Int(node)].link
    }
    return true
  }

  private func clear(_ rankCount: Int) {
    self.rankCount = rankCount
    used = 1
    nodes[0] = Node(count: 0, rank: -1, parent: -1, link: -1, firstChild: -1, sibling: -1)
    heads.update(repeating: -1, count: rankCount)
    counts.update(repeating: 0, count: rankCount)
    rootChildren.update(repeating: -1, count: rankCount)
  }

  private func reserve(_ count: Int) {
    guard count > capacity else { return }
    let larger = UnsafeMutablePointer<Node>.allocate(capacity: max(count, 2 * capacity))
    larger.update(from: nodes, count: used)
    nodes.deallocate()
    nodes = larger
    capacity = max(count, 2 * capacity)
  }

  /// - Precondition: room for `count` more nodes.
  private func insert(_ ranks: UnsafePointer<Int32>, count: Int, baskets: Int) {
    let nodes = nodes
    var node: Int32 = 0
    for index in 0..<count {
      let rank = ranks[index]
      // The root has most of the children, so it has them by their rank.
      var child = index == 0 ? rootChildren[Int(rank)] : nodes[Int(node)].firstChild
      while child >= 0, nodes[Int(child)].rank != rank { child = nodes[Int(child)].sibling }
      if child < 0 {
        child = Int32(truncatingIfNeeded: used)
        nodes[used] = Node(
          count: 0, rank: rank, parent: node, link: heads[Int(rank)], firstChild: -1,
          sibling: index == 0 ? -1 : nodes[Int(node)].firstChild)
        heads[Int(rank)] = child
        if index == 0 {
          rootChildren[Int(rank)] = child
        } else {
          nodes[Int(node)].firstChild = child
        }
        used &+= 1
      }
      nodes[Int(child)].count &+= baskets
      node = child
    }
  }
}
