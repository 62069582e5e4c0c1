// SPDX-License-Identifier: Apache-2.0

/// Sets of items that occur together often: FP-growth (Han, Pei and Yin, "Mining frequent patterns
/// without candidate generation", 2000).
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

  /// A prefix tree of baskets whose items are in the order of their frequency, as flat arrays.
  private struct Tree {
    /// The items of this tree, the most frequent first, with their counts.
    var items: [(item: Int32, count: Int)] = []
    /// Of each node: its item's rank, its count, its parent, the next node of its rank.
    var ranks: [Int32] = [-1]
    var counts: [Int] = [0]
    var parents: [Int32] = [-1]
    var links: [Int32] = [-1]
    /// First node of each rank.
    var heads: [Int32] = []
    private var firstChild: [Int32] = [-1]
    private var sibling: [Int32] = [-1]

    init(items: [(item: Int32, count: Int)]) {
      self.items = items
      heads = [Int32](repeating: -1, count: items.count)
    }

    /// Adds a path of ranks, ascending.
    mutating func insert(_ path: some Sequence<Int32>, count: Int) {
      var node: Int32 = 0
      for rank in path {
        var child = firstChild[Int(node)]
        while child >= 0, ranks[Int(child)] != rank { child = sibling[Int(child)] }
        if child < 0 {
          child = Int32(ranks.count)
          ranks.append(rank)
          counts.append(0)
          parents.append(node)
          links.append(heads[Int(rank)])
          heads[Int(rank)] = child
          firstChild.append(-1)
          sibling.append(firstChild[Int(node)])
          firstChild[Int(node)] = child
        }
        counts[Int(child)] += count
        node = child
      }
    }
  }

  /// All item sets with at least `minimumCount` baskets, by falling count, then by their items.
  ///
  /// - Parameter baskets: items of each, in any order, each once.
  func mine(
    _ baskets: [[Int32]], itemCount: Int, isCancelled: () -> Bool
  ) throws(TooMany) -> [ItemSet] {
    var counts = [Int](repeating: 0, count: itemCount)
    for basket in baskets { for item in basket { counts[Int(item)] += 1 } }
    let frequent = (0..<itemCount).filter { counts[$0] >= minimumCount }
      .sorted { counts[$0] != counts[$1] ? counts[$0] > counts[$1] : $0 < $1 }
    var rank = [Int32](repeating: -1, count: itemCount)
    for (index, item) in frequent.enumerated() { rank[item] = Int32(index) }
    var tree = Tree(items: frequent.map { (Int32($0), counts[$0]) })
    var path: [Int32] = []
    for basket in baskets {
      path.removeAll(keepingCapacity: true)
      for item in basket where rank[Int(item)] >= 0 { path.append(rank[Int(item)]) }
      path.sort()
      tree.insert(path, count: 1)
    }
    var sets: [ItemSet] = []
    var suffix: [Int32] = []
    try grow(tree, &suffix, &sets, isCancelled)
    for index in sets.indices { sets[index].items.sort() }
    sets.sort {
      $0.count != $1.count
        ? $0.count > $1.count
        : $0.items.count != $1.items.count
          ? $0.items.count < $1.items.count : $0.items.lexicographicallyPrecedes($1.items)
    }
    return sets
  }

  private func grow(
    _ tree: Tree, _ suffix: inout [Int32], _ sets: inout [ItemSet], _ isCancelled: () -> Bool
  ) throws(TooMany) {
    for rank in tree.items.indices.reversed() {
      if isCancelled() { return }
      let (item, count) = tree.items[rank]
      suffix.append(item)
      guard sets.count < maxSets else { throw TooMany() }
      sets.append(ItemSet(items: suffix, count: count))
      if suffix.count < maxItems, rank > 0 {
        let conditional = conditionalTree(tree, rank)
        if !conditional.items.isEmpty { try grow(conditional, &suffix, &sets, isCancelled) }
      }
      suffix.removeLast()
    }
  }

  /// The tree of the paths above the nodes of a rank.
  private func conditionalTree(_ tree: Tree, _ rank: Int) -> Tree {
    var counts = [Int](repeating: 0, count: rank)
    var node = tree.heads[rank]
    while node >= 0 {
      var parent = tree.parents[Int(node)]
      while parent > 0 {
        counts[Int(tree.ranks[Int(parent)])] += tree.counts[Int(node)]
        parent = tree.parents[Int(parent)]
      }
      node = tree.links[Int(node)]
    }
    let frequent = (0..<rank).filter { counts[$0] >= minimumCount }
      .sorted { counts[$0] != counts[$1] ? counts[$0] > counts[$1] : $0 < $1 }
    var newRank = [Int32](repeating: -1, count: rank)
    for (index, old) in frequent.enumerated() { newRank[old] = Int32(index) }
    var result = Tree(items: frequent.map { (tree.items[$0].item, counts[$0]) })
    guard !frequent.isEmpty else { return result }
    var path: [Int32] = []
    node = tree.heads[rank]
    while node >= 0 {
      path.removeAll(keepingCapacity: true)
      var parent = tree.parents[Int(node)]
      while parent > 0 {
        let translated = newRank[Int(tree.ranks[Int(parent)])]
        if translated >= 0 { path.append(translated) }
        parent = tree.parents[Int(parent)]
      }
      path.sort()
      result.insert(path, count: tree.counts[Int(node)])
      node = tree.links[Int(node)]
    }
    return result
  }
}

/// If a basket has the antecedent, it has the consequent, with a confidence.
struct AssociationRule: Hashable, Sendable {
  var antecedent: [Int32]
  var consequent: [Int32]
  /// Baskets with both.
  var count: Int
  /// count / baskets with the antecedent.
  var confidence: Double
  /// confidence / share of baskets with the consequent.
  var lift: Double

  /// All rules of item sets, by falling confidence, then lift, then count, then items.
  ///
  /// - Parameter maxRules: more are a refusal: nil.
  static func all(
    of sets: [FrequentPatterns.ItemSet], baskets: Int, minimumConfidence: Double,
    minimumLift: Double, maxRules: Int
  ) -> [AssociationRule]? {
    let counts = Dictionary(uniqueKeysWithValues: sets.map { ($0.items, $0.count) })
    var rules: [AssociationRule] = []
    for set in sets where set.items.count >= 2 && set.items.count <= 20 {
      for mask in 1..<(1 << set.items.count) - 1 {
        var (antecedent, consequent): ([Int32], [Int32]) = ([], [])
        for (bit, item) in set.items.enumerated() {
          if mask >> bit & 1 == 1 { antecedent.append(item) } else { consequent.append(item) }
        }
        // Every part of a frequent set is frequent.
        guard let a = counts[antecedent], let c = counts[consequent] else { continue }
        let confidence = Double(set.count) / Double(a)
        let lift = confidence * Double(baskets) / Double(c)
        guard confidence >= minimumConfidence, lift >= minimumLift else { continue }
        guard rules.count < maxRules else { return nil }
        rules.append(
          AssociationRule(
            antecedent: antecedent, consequent: consequent, count: set.count,
            confidence: confidence, lift: lift))
      }
    }
    return rules.sorted { a, b in
      if a.confidence != b.confidence { return a.confidence > b.confidence }
      if a.lift != b.lift { return a.lift > b.lift }
      if a.count != b.count { return a.count > b.count }
      return a.antecedent != b.antecedent
        ? a.antecedent.lexicographicallyPrecedes(b.antecedent)
        : a.consequent.lexicographicallyPrecedes(b.consequent)
    }
  }
}
