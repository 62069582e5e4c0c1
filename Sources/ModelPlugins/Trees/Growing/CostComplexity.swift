// SPDX-License-Identifier: Apache-2.0

extension GrownTree {
  /// The tree pruned by minimal cost-complexity.
  ///
  /// As long as a node t has (R(t) − R(T_t)) / (|T_t| − 1) ≤ α, where R is the impurity times the
  /// share of the samples' weight and |T_t| counts the leaves below, the node with the least becomes
  /// a leaf (Breiman, Friedman, Olshen, Stone, "Classification and Regression Trees", 1984, chapter
  /// 3). The first of equals goes first.
  func pruned(alpha: Double) -> GrownTree {
    guard alpha > 0, let root = nodes.first, root.weight > 0 else { return self }
    var parents = [Int](repeating: -1, count: nodes.count)
    for (index, node) in nodes.enumerated() where !node.isLeaf {
      parents[Int(node.left)] = index
      parents[Int(node.right)] = index
    }
    var isLeaf = nodes.map(\.isLeaf)
    var leaves = [Int](repeating: 1, count: nodes.count)
    let own = nodes.map { $0.impurity * $0.weight / root.weight }
    var below = own
    // Children come after their parents.
    for index in nodes.indices.reversed() where !isLeaf[index] {
      let (left, right) = (Int(nodes[index].left), Int(nodes[index].right))
      leaves[index] = leaves[left] + leaves[right]
      below[index] = below[left] + below[right]
    }
    var alive = [Bool](repeating: true, count: nodes.count)
    while true {
      var weakest: (index: Int, alpha: Double)?
      for index in nodes.indices where alive[index] && !isLeaf[index] {
        let effective = (own[index] - below[index]) / Double(leaves[index] - 1)
        if effective < weakest?.alpha ?? .infinity { weakest = (index, effective) }
      }
      guard let weakest, weakest.alpha <= alpha else { break }
      isLeaf[weakest.index] = true
      kill(below: weakest.index, &alive)
      let (lost, gained) = (leaves[weakest.index] - 1, own[weakest.index] - below[weakest.index])
      var ancestor = weakest.index
      while ancestor >= 0 {
        leaves[ancestor] -= lost
        below[ancestor] += gained
        ancestor = parents[ancestor]
      }
    }
    return copied { isLeaf[$0] }
  }

  private func kill(below root: Int, _ alive: inout [Bool]) {
    var pending = [root]
    while let index = pending.popLast() {
      if index != root { alive[index] = false }
      guard !nodes[index].isLeaf else { continue }
      pending += [Int(nodes[index].left), Int(nodes[index].right)].filter { alive[$0] }
    }
  }

  /// A copy in which some nodes are leaves.
  private func copied(leafWhere isLeaf: (Int) -> Bool) -> GrownTree {
    var copy = GrownTree(width: width)
    var places = [Int32](repeating: -1, count: nodes.count)
    var pending: [(node: Int, parent: Int, isLeft: Bool)] = nodes.isEmpty ? [] : [(0, -1, false)]
    while let (index, parent, isLeft) = pending.popLast() {
      let place = copy.append(index, of: self)
      places[index] = Int32(place)
      if parent >= 0 {
        if isLeft {
          copy.nodes[parent].left = Int32(place)
        } else {
          copy.nodes[parent].right = Int32(place)
        }
      }
      if isLeaf(index) {
        copy.nodes[place].column = -1
        copy.nodes[place].categorySet = -1
        copy.nodes[place].gain = 0
      } else {
        pending.append((Int(nodes[index].right), place, false))
        pending.append((Int(nodes[index].left), place, true))
      }
    }
    if !outOfBagNodes.isEmpty {
      copy.outOfBagNodes = outOfBagNodes.map { $0 < 0 ? -1 : places[Int($0)] }
    }
    return copy
  }
}
