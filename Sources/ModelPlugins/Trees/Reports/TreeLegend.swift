// SPDX-License-Identifier: Apache-2.0

/// How the columns, categories and classes of a tree are called.
struct TreeLegend: Sendable {
  let columns: [String]
  let kinds: [Column.Kind]
  /// nil for a regression.
  let classes: [String]?
  let target: String

  /// What leads to the left of a node: `carat <= 0.985`, `cut in {Fair, Good}`.
  func condition(_ node: GrownTree.Node, of tree: GrownTree, limit: Int = 6) -> String {
    let column = Int(node.column)
    guard node.categorySet >= 0 else {
      return node.threshold.isInfinite
        ? "\(columns[column]) is not missing"
        : "\(columns[column]) ≤ \(Self.number(Double(node.threshold)))"
    }
    let names = leftCategories(node, of: tree)
    let shown = names.prefix(limit).joined(separator: ", ")
    let more = names.count > limit ? ", … (\(names.count))" : ""
    return "\(columns[column]) in {\(shown)\(more)}"
  }

  /// The categories that go left.
  private func leftCategories(_ node: GrownTree.Node, of tree: GrownTree) -> [String] {
    guard case .categorical(let names) = kinds[Int(node.column)] else { return [] }
    let first = Int(node.categorySet) * 8
    return names.indices.filter {
      tree.categorySets[first + $0 / 32] >> ($0 % 32) & 1 == 1
    }.map { names[$0] }
  }

  /// What a node predicts: a class with its share, or a number.
  func prediction(of node: Int, in tree: GrownTree) -> (text: String, index: Int, share: Double) {
    let values = Array(tree.value(of: node))
    guard let classes else { return (Self.number(Double(values[0])), 0, 1) }
    var best = 0
    for index in values.indices where values[index] > values[best] { best = index }
    return (classes[best], best, Double(values[best]))
  }

  static func number(_ value: Double) -> String { Report.shortened(value, digits: 4) }
}
