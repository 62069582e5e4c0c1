// SPDX-License-Identifier: Apache-2.0
import Runtime

extension TreeEnsemble {
  private static let known =
    TreeLink.columnMask | TreeLink.categoricalFlag | TreeLink.missingLeftFlag | TreeLink.leafFlag

  /// Adds the trees to a file's tensors.
  func write(to bundle: inout TensorBundle) {
    bundle.set("roots", roots)
    bundle.set("nodes/column", links.map { Int32(bitPattern: $0.column) })
    bundle.set("nodes/threshold", links.map(\.threshold))
    bundle.set("nodes/left", links.map { Int32(bitPattern: $0.left) })
    bundle.set("nodes/right", links.map { Int32(bitPattern: $0.right) })
    bundle.set("leaves", values, shape: [leafCount, width])
    bundle.set(
      "category_sets", categorySets.map { Int32(bitPattern: $0) },
      shape: [categorySets.count / 8, 8])
  }

  /// Reads what `write` wrote, and checks all that asking the trees relies on: children come after
  /// their parents within the tree, so that every way ends; columns, leaves and sets are there.
  ///
  /// - Parameter isCategorical: of each column.
  /// - Throws: `.dataLoss` with what is wrong.
  init(
    _ bundle: TensorBundle, width: Int, isCategorical: [Bool]
  ) throws(PluginError) {
    let roots = try bundle.values("roots", as: Int32.self, shape: [-1])
    let columns = try bundle.values("nodes/column", as: Int32.self, shape: [-1])
    let count = columns.count
    let thresholds = try bundle.values("nodes/threshold", as: Float.self, shape: [count])
    let left = try bundle.values("nodes/left", as: Int32.self, shape: [count])
    let right = try bundle.values("nodes/right", as: Int32.self, shape: [count])
    self.init(
      width: width, columnCount: isCategorical.count,
      links: columns.indices.map {
        TreeLink(
          column: UInt32(bitPattern: columns[$0]), threshold: thresholds[$0],
          left: UInt32(bitPattern: left[$0]), right: UInt32(bitPattern: right[$0]))
      }, roots: roots,
      values: try bundle.values("leaves", as: Float.self, shape: [-1, width]),
      categorySets: try bundle.values("category_sets", as: Int32.self, shape: [-1, 8])
        .map { UInt32(bitPattern: $0) })
    try checkRoots()
    for tree in roots.indices {
      let end = tree + 1 < roots.count ? Int(roots[tree + 1]) : links.count
      for node in Int(roots[tree])..<end { try check(node, end: end, isCategorical) }
    }
    if let value = values.first(where: { !$0.isFinite }) {
      throw PluginError(.dataLoss, "leaves: expected finite values, came \(value)")
    }
  }

  private func checkRoots() throws(PluginError) {
    guard roots.first ?? 0 == 0, roots.isEmpty == links.isEmpty else {
      throw PluginError(.dataLoss, "roots: expected the first tree to begin with the first node")
    }
    for (tree, root) in roots.enumerated() {
      let end = tree + 1 < roots.count ? Int(roots[tree + 1]) : links.count
      guard root >= 0, Int(root) < end, end <= links.count else {
        throw PluginError(
          .dataLoss,
          "roots[\(tree)]: expected ascending places among \(links.count) nodes, came \(root)")
      }
    }
  }

  private func check(
    _ index: Int, end: Int, _ isCategorical: [Bool]
  ) throws(PluginError) {
    let link = links[index]
    func refuse(_ what: String) -> PluginError {
      PluginError(.dataLoss, "nodes[\(index)]: expected \(what)")
    }
    guard link.column & ~Self.known == 0 else { throw refuse("known flags") }
    if link.isLeaf {
      guard Int(link.left) < leafCount else {
        throw refuse("a leaf below \(leafCount), came \(link.left)")
      }
      return
    }
    guard link.columnIndex < columnCount, link.isCategorical == isCategorical[link.columnIndex]
    else { throw refuse("a column below \(columnCount) of the node's kind") }
    for child in [Int(link.left), Int(link.right)] where child <= index || child >= end {
      throw refuse("children after it, below \(end), came \(child)")
    }
    if link.isCategorical {
      guard Int(link.threshold.bitPattern) < categorySets.count / 8 else {
        throw refuse("a set below \(categorySets.count / 8), came \(link.threshold.bitPattern)")
      }
    } else if link.threshold.isNaN {
      throw refuse("a threshold, came NaN")
    }
  }
}
