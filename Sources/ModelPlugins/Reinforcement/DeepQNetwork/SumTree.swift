// SPDX-License-Identifier: Apache-2.0

/// Priorities that can be drawn in proportion, in logarithmic time.
///
/// Every inner node is the sum of its two children as they are, so the tree is a function of its
/// leaves and the same after a checkpoint.
struct SumTree {
  /// The root is at 1, the leaves begin at `capacity`.
  private var nodes: [Double]
  private let capacity: Int

  /// - Parameter count: of leaves.
  init(count: Int) {
    var capacity = 1
    while capacity < count { capacity *= 2 }
    self.capacity = capacity
    nodes = Array(repeating: 0, count: 2 * capacity)
  }

  var total: Double { nodes[1] }

  subscript(leaf: Int) -> Double {
    get { nodes[capacity + leaf] }
    set {
      var index = capacity + leaf
      nodes[index] = newValue
      while index > 1 {
        index /= 2
        nodes[index] = nodes[2 * index] + nodes[2 * index + 1]
      }
    }
  }

  /// The leaf in whose share of the total a point lies.
  ///
  /// - Parameter point: from 0 to `total`; a leaf of no priority is never found while others have
  ///   some.
  func leaf(at point: Double) -> Int {
    var (index, rest) = (1, point)
    while index < capacity {
      let left = nodes[2 * index]
      if rest < left || nodes[2 * index + 1] <= 0 {
        index = 2 * index
      } else {
        rest -= left
        index = 2 * index + 1
      }
    }
    return index - capacity
  }
}
