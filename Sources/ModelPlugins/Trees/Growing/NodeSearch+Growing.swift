// SPDX-License-Identifier: Apache-2.0
import Runtime
import Synchronization

extension NodeSearch {
  /// Grows the subtree of a place on this thread; nil when cancelled.
  func growSubtree(
    _ root: Place, _ scratch: NodeScratch, isCancelled: () -> Bool
  ) -> GrownTree? {
    var tree = emptyTree
    var pending: [(place: Place, parent: Int, isLeft: Bool)] = [(root, -1, false)]
    while let (place, parent, isLeft) = pending.popLast() {
      if place.drawn.count >= Self.cancellationSamples, isCancelled() { return nil }
      let outcome = search(place, scratch, workers: nil)
      let index = tree.append(outcome, below: parent, isLeft: isLeft)
      if let children = outcome.children {
        // The left one is taken first: parents, left subtrees, right subtrees.
        pending.append((children.right, index, false))
        pending.append((children.left, index, true))
      } else {
        place.outOfBag.forEach { tree.outOfBagNodes[outOfBagRow($0)] = Int32(index) }
      }
    }
    return tree
  }

  /// Grows the tree of a place: nodes that are worth it with their columns shared among threads,
  /// then the subtrees below, each on one.
  func growShared(
    _ root: Place, _ scratch: NodeScratch, _ workers: WorkerPool, isCancelled: () -> Bool
  ) -> GrownTree? {
    var top = emptyTree
    var subtrees: [Place] = []
    /// Above the nodes that stand for subtrees, by their index.
    var subtreeOf: [Int: Int] = [:]
    var pending: [(place: Place, parent: Int, isLeft: Bool)] = [(root, -1, false)]
    while let (place, parent, isLeft) = pending.popLast() {
      if isCancelled() { return nil }
      guard place.drawn.count >= Self.sharedSamples else {
        let index = top.append(
          Outcome(node: GrownTree.Node(), values: Array(repeating: 0, count: top.width)),
          below: parent, isLeft: isLeft)
        subtreeOf[index] = subtrees.count
        subtrees.append(place)
        continue
      }
      let outcome = search(place, scratch, workers: workers)
      let index = top.append(outcome, below: parent, isLeft: isLeft)
      if let children = outcome.children {
        pending.append((children.right, index, false))
        pending.append((children.left, index, true))
      } else {
        place.outOfBag.forEach { top.outOfBagNodes[outOfBagRow($0)] = Int32(index) }
      }
    }
    let grown = Mutex<[Int: GrownTree]>([:])
    withoutActuallyEscaping(isCancelled) { isCancelled in
      // SAFETY: asked by tiles only, all of which end before this returns; it may be asked from any
      // thread.
      nonisolated(unsafe) let isCancelled = isCancelled
      workers.parallelFor(subtrees.count) { [subtrees] tile in
        let own = grower.scratches.take()
        if let tree = growSubtree(subtrees[tile], own, isCancelled: isCancelled) {
          grown.withLock { $0[tile] = tree }
        }
        grower.scratches.giveBack(own)
      }
    }
    let trees = grown.withLock { $0 }
    guard trees.count == subtrees.count else { return nil }
    return assemble(top, subtreeOf.mapValues { trees[$0] })
  }

  /// Replaces the nodes of `top` that stand for subtrees.
  private func assemble(_ top: GrownTree, _ subtrees: [Int: GrownTree?]) -> GrownTree {
    var tree = emptyTree
    for (row, node) in top.outOfBagNodes.enumerated() where node >= 0 {
      tree.outOfBagNodes[row] = -2 - node
    }
    var pending: [(tree: Int, node: Int, parent: Int, isLeft: Bool)] = [(-1, 0, -1, false)]
    var placesOfTop: [Int: Int32] = [:]
    while let (from, node, parent, isLeft) = pending.popLast() {
      if from < 0, let subtree = subtrees[node] ?? nil {
        let base = tree.nodes.count
        tree.append(subtree, below: parent, isLeft: isLeft)
        for (row, leaf) in subtree.outOfBagNodes.enumerated() where leaf >= 0 {
          tree.outOfBagNodes[row] = Int32(base) + leaf
        }
        continue
      }
      let index = tree.append(node, of: top)
      placesOfTop[node] = Int32(index)
      tree.connect(index, to: parent, isLeft: isLeft)
      if !top.nodes[node].isLeaf {
        pending.append((from, Int(top.nodes[node].right), index, false))
        pending.append((from, Int(top.nodes[node].left), index, true))
      }
    }
    for (row, mark) in tree.outOfBagNodes.enumerated() where mark < -1 {
      tree.outOfBagNodes[row] = placesOfTop[Int(-2 - mark)] ?? -1
    }
    return tree
  }

  private var emptyTree: GrownTree {
    var tree = GrownTree(width: grower.target.width)
    if !samples.outOfBag.isEmpty {
      tree.outOfBagNodes = Array(repeating: -1, count: grower.table.rowCount)
    }
    return tree
  }

  private func outOfBagRow(_ position: Int) -> Int {
    Int(UInt32(truncatingIfNeeded: samples.outOfBag[position]))
  }

  /// Below this, handing columns out costs more than searching them.
  private static let sharedSamples = 4096
  /// Asking costs nothing beside a search of so many samples.
  private static let cancellationSamples = 64
}

extension GrownTree {
  /// Adds a node that a search gave.
  fileprivate mutating func append(
    _ outcome: NodeSearch.Outcome, below parent: Int, isLeft: Bool
  ) -> Int {
    var node = outcome.node
    if !outcome.categories.isEmpty { node.categorySet = addCategorySet(outcome.categories) }
    nodes.append(node)
    values += outcome.values
    connect(nodes.count - 1, to: parent, isLeft: isLeft)
    return nodes.count - 1
  }

  /// Adds a whole tree.
  fileprivate mutating func append(_ subtree: GrownTree, below parent: Int, isLeft: Bool) {
    let base = Int32(nodes.count)
    let sets = Int32(categorySets.count / 8)
    for var node in subtree.nodes {
      if node.categorySet >= 0 { node.categorySet += sets }
      if node.left >= 0 { node.left += base }
      if node.right >= 0 { node.right += base }
      nodes.append(node)
    }
    values += subtree.values
    categorySets += subtree.categorySets
    connect(Int(base), to: parent, isLeft: isLeft)
  }

  fileprivate mutating func connect(_ child: Int, to parent: Int, isLeft: Bool) {
    guard parent >= 0 else { return }
    if isLeft { nodes[parent].left = Int32(child) } else { nodes[parent].right = Int32(child) }
  }
}
