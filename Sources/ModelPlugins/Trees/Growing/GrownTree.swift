// SPDX-License-Identifier: Apache-2.0

/// A tree as it was grown: every node with what is known of it, parents before their children, the
/// left subtree before the right.
struct GrownTree: Sendable {
  /// One node.
  struct Node: Sendable {
    /// The column that it splits; -1 for a leaf.
    var column: Int32 = -1
    /// Numbers up to this go left.
    var threshold: Float = 0
    /// The set of categories that go left, where they are what is split; else -1.
    var categorySet: Int32 = -1
    var missingGoLeft = false
    var left: Int32 = -1
    var right: Int32 = -1
    /// Samples, counted as often as they were drawn.
    var samples = 0
    /// The samples' weight.
    var weight = 0.0
    /// Gini impurity, entropy in bits, or mean squared error.
    var impurity = 0.0
    /// Weight times the impurity that the split takes away.
    var gain = 0.0

    var isLeaf: Bool { column < 0 }
  }

  var nodes: [Node] = []
  /// What nodes predict (nodes, width): class probabilities, or the mean.
  var values: [Float] = []
  /// 8 words for each set, bit c set when category c goes left.
  var categorySets: [UInt32] = []
  /// The node in which each row ended that was not drawn; -1 for the others.
  ///
  /// Empty unless asked for.
  var outOfBagNodes: [Int32] = []
  /// Values of a node.
  let width: Int

  init(width: Int) { self.width = width }

  /// The values of a node.
  func value(of node: Int) -> ArraySlice<Float> {
    values[(node * width)..<((node + 1) * width)]
  }

  /// How many leaves there are.
  var leafCount: Int { nodes.count { $0.isLeaf } }

  /// Edges from the root to the deepest leaf.
  var depth: Int {
    var depths = [Int](repeating: 0, count: nodes.count)
    for (index, node) in nodes.enumerated() where !node.isLeaf {
      depths[Int(node.left)] = depths[index] + 1
      depths[Int(node.right)] = depths[index] + 1
    }
    return depths.max() ?? 0
  }

  /// Adds each split's gain to its column's.
  func addGains(to gains: inout [Double]) {
    for node in nodes where !node.isLeaf { gains[Int(node.column)] += node.gain }
  }

  /// Takes over a category set of a split.
  mutating func addCategorySet(_ words: [UInt64]) -> Int32 {
    let index = categorySets.count / 8
    for word in words {
      categorySets.append(UInt32(truncatingIfNeeded: word))
      categorySets.append(UInt32(truncatingIfNeeded: word >> 32))
    }
    return Int32(index)
  }

  /// Copies a node of another tree, whose children are given their places later.
  mutating func append(_ node: Int, of tree: GrownTree) -> Int {
    var copy = tree.nodes[node]
    if copy.categorySet >= 0 {
      let first = Int(copy.categorySet) * 8
      copy.categorySet = Int32(categorySets.count / 8)
      categorySets += tree.categorySets[first..<(first + 8)]
    }
    (copy.left, copy.right) = (-1, -1)
    nodes.append(copy)
    values += tree.value(of: node)
    return nodes.count - 1
  }
}
