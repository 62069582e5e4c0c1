// SPDX-License-Identifier: Apache-2.0
import Runtime

/// Finished trees, one after the other, in the form in which they are asked and written.
struct TreeEnsemble: Sendable {
  /// Nodes of all trees; children are places in this list.
  private(set) var links: [TreeLink] = []
  /// The first node of each tree.
  private(set) var roots: [Int32] = []
  /// What leaves predict (leaves, width).
  private(set) var values: [Float] = []
  /// 8 words for each set of categories that go left.
  private(set) var categorySets: [UInt32] = []
  /// Values of a leaf.
  let width: Int
  /// Columns of a row.
  let columnCount: Int

  init(
    width: Int, columnCount: Int, links: [TreeLink] = [], roots: [Int32] = [],
    values: [Float] = [], categorySets: [UInt32] = []
  ) {
    self.width = width
    self.columnCount = columnCount
    self.links = links
    self.roots = roots
    self.values = values
    self.categorySets = categorySets
  }

  /// How many trees there are.
  var treeCount: Int { roots.count }
  /// How many leaves there are.
  var leafCount: Int { values.count / width }
  /// What serving the trees takes.
  var byteCount: Int {
    links.count * MemoryLayout<TreeLink>.stride + values.count * 4 + categorySets.count * 4
  }

  /// Adds a tree, its nodes in the order in which they are.
  mutating func append(_ tree: GrownTree) {
    let base = UInt32(links.count)
    let sets = UInt32(categorySets.count / 8)
    roots.append(Int32(base))
    links.reserveCapacity(links.count + tree.nodes.count)
    for (index, node) in tree.nodes.enumerated() {
      guard !node.isLeaf else {
        links.append(.leaf(UInt32(leafCount)))
        values += tree.value(of: index)
        continue
      }
      links.append(
        .split(
          column: UInt32(node.column), threshold: node.threshold,
          categorySet: node.categorySet < 0 ? nil : sets + UInt32(node.categorySet),
          missingGoLeft: node.missingGoLeft, left: base + UInt32(node.left),
          right: base + UInt32(node.right)))
    }
    categorySets += tree.categorySets
  }

  /// The first so many trees.
  func prefix(_ count: Int) -> TreeEnsemble {
    guard count < treeCount else { return self }
    var copy = TreeEnsemble(width: width, columnCount: columnCount)
    copy.roots = Array(roots.prefix(count))
    copy.links = Array(links.prefix(Int(roots[count])))
    let leaves = copy.links.count { $0.isLeaf }
    copy.values = Array(values.prefix(leaves * width))
    copy.categorySets = categorySets
    return copy
  }
}

extension TreeLink {
  /// A leaf by its number.
  static func leaf(_ number: UInt32) -> TreeLink {
    TreeLink(column: leafFlag, threshold: 0, left: number, right: 0)
  }

  /// A node that splits a column.
  ///
  /// - Parameter categorySet: nil for a column of numbers.
  static func split(
    column: UInt32, threshold: Float, categorySet: UInt32?, missingGoLeft: Bool, left: UInt32,
    right: UInt32
  ) -> TreeLink {
    TreeLink(
      column: column | (missingGoLeft ? missingLeftFlag : 0)
        | (categorySet == nil ? 0 : categoricalFlag),
      threshold: categorySet.map { Float(bitPattern: $0) } ?? threshold, left: left, right: right)
  }

  /// Whether it is a leaf.
  var isLeaf: Bool { column & Self.leafFlag != 0 }
  /// Whether it asks for a set of categories.
  var isCategorical: Bool { column & Self.categoricalFlag != 0 }
  /// The column that it splits.
  var columnIndex: Int { Int(column & Self.columnMask) }
}
