// SPDX-License-Identifier: Apache-2.0

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

  /// Items of a set that is parted; 2^20 parts are as many as are looked at.
  private static let maxItems = 20

  /// A rule as the set that it parts and the items of its antecedent, a bit each.
  private struct Candidate {
    var confidence: Double
    var lift: Double
    var count: Int
    var set: Int32
    var mask: UInt32
  }

  /// All rules of item sets, by falling confidence, then lift, then count, then items.
  ///
  /// - Parameter maxRules: more are a refusal: nil.
  static func all(
    of sets: [FrequentPatterns.ItemSet], baskets: Int, minimumConfidence: Double,
    minimumLift: Double, maxRules: Int
  ) -> [AssociationRule]? {
    let index = ItemSetIndex(sets)
    var rules: [Candidate] = []
    var counts: [Int] = []
    for (position, set) in sets.enumerated()
    where (2...maxItems).contains(set.items.count) {
      index.counts(ofParts: set.items, into: &counts)
      let all = counts.count - 1
      for mask in 1..<all {
        // Every part of a frequent set is frequent.
        guard counts[mask] > 0, counts[all ^ mask] > 0 else { continue }
        let confidence = Double(set.count) / Double(counts[mask])
        let lift = confidence * Double(baskets) / Double(counts[all ^ mask])
        guard confidence >= minimumConfidence, lift >= minimumLift else { continue }
        guard rules.count < maxRules else { return nil }
        rules.append(
          Candidate(
            confidence: confidence, lift: lift, count: set.count, set: Int32(position),
            mask: UInt32(mask)))
      }
    }
    func part(_ rule: Candidate, _ isIn: UInt32) -> [Int32] {
      sets[Int(rule.set)].items.enumerated().filter { rule.mask >> $0.offset & 1 == isIn }
        .map(\.element)
    }
    rules.sort { a, b in
      if a.confidence != b.confidence { return a.confidence > b.confidence }
      if a.lift != b.lift { return a.lift > b.lift }
      if a.count != b.count { return a.count > b.count }
      let (first, second) = (part(a, 1), part(b, 1))
      return first != second
        ? first.lexicographicallyPrecedes(second)
        : part(a, 0).lexicographicallyPrecedes(part(b, 0))
    }
    return rules.map {
      AssociationRule(
        antecedent: part($0, 1), consequent: part($0, 0), count: $0.count,
        confidence: $0.confidence, lift: $0.lift)
    }
  }
}

/// Item sets by their items: a tree of prefixes whose edges lie in one table.
private struct ItemSetIndex {
  /// The edge (node, item) as node << 32 | item, -1 for none, and where it leads.
  private var keys: [Int]
  private var children: [Int32]
  /// Baskets of the set that ends at a node; 0 where none does.
  private var nodeCounts: [Int] = [0]
  private let bits: Int

  init(_ sets: [FrequentPatterns.ItemSet]) {
    // Sets come with their prefixes, so there are no more edges than sets; half of the table is empty.
    var bits = 4
    while 1 << bits < 2 * sets.count + 2 { bits += 1 }
    self.bits = bits
    keys = [Int](repeating: -1, count: 1 << bits)
    children = [Int32](repeating: 0, count: 1 << bits)
    for set in sets.sorted(by: { $0.items.count < $1.items.count }) {
      var node: Int32 = 0
      for item in set.items {
        let slot = slot(node, item)
        if keys[slot] < 0 {
          keys[slot] = Self.key(node, item)
          children[slot] = Int32(nodeCounts.count)
          nodeCounts.append(0)
        }
        node = children[slot]
      }
      nodeCounts[Int(node)] = set.count
    }
  }

  /// The counts of all parts of a set: element m is that of the items whose bits are set in m.
  func counts(ofParts items: [Int32], into counts: inout [Int]) {
    counts.removeAll(keepingCapacity: true)
    counts.append(0)
    withUnsafeTemporaryAllocation(of: Int32.self, capacity: 1 << items.count) { nodes in
      nodes[0] = 0
      for (bit, item) in items.enumerated() {
        // Items rise, so a part ends in the item of its highest bit.
        for mask in (1 << bit)..<(2 << bit) {
          let parent = nodes[mask ^ 1 << bit]
          let slot = parent < 0 ? 0 : slot(parent, item)
          let child = parent < 0 || keys[slot] < 0 ? -1 : children[slot]
          nodes[mask] = child
          counts.append(child < 0 ? 0 : nodeCounts[Int(child)])
        }
      }
    }
  }

  private static func key(_ node: Int32, _ item: Int32) -> Int { Int(node) << 32 | Int(item) }

  /// Where an edge is, or would be.
  ///
  /// Fibonacci hashing (Knuth, *The Art of Computer Programming*, volume 3, section 6.4) with linear
  /// probing.
  private func slot(_ node: Int32, _ item: Int32) -> Int {
    let key = Self.key(node, item)
    var slot = Int((UInt(bitPattern: key) &* 0x9E37_79B9_7F4A_7C15) >> UInt(64 - bits))
    while keys[slot] >= 0, keys[slot] != key { slot = (slot + 1) & (keys.count - 1) }
    return slot
  }
}
