// SPDX-License-Identifier: Apache-2.0

/// A tree as indented text, one line a node.
struct TreeText {
  private let tree: GrownTree
  private let legend: TreeLegend
  private let criterion: String

  /// Lines that a person may still read; the model has the rest.
  private static let maxLines = 400

  init(_ tree: GrownTree, _ legend: TreeLegend, criterion: String) {
    (self.tree, self.legend, self.criterion) = (tree, legend, criterion)
  }

  /// The text, without a line feed at its end.
  var text: String {
    var lines: [String] = []
    var pending: [(node: Int, prefix: String, lead: String, question: String)] = [(0, "", "", "")]
    while let (index, prefix, lead, question) = pending.popLast() {
      guard lines.count < Self.maxLines else {
        lines.append("… \(tree.nodes.count - lines.count) more nodes")
        break
      }
      let node = tree.nodes[index]
      lines.append(prefix + lead + question + summary(index))
      guard !node.isLeaf else { continue }
      let below = prefix + (lead.isEmpty ? "" : lead.hasPrefix("└") ? "   " : "│  ")
      let condition = legend.condition(node, of: tree)
      let missing = node.missingGoLeft ? " (or missing)" : ""
      pending.append((Int(node.right), below, "└─ ", "else: "))
      pending.append((Int(node.left), below, "├─ ", "\(condition)\(missing): "))
    }
    return lines.joined(separator: "\n")
  }

  private func summary(_ index: Int) -> String {
    let node = tree.nodes[index]
    let prediction = legend.prediction(of: index, in: tree)
    let samples = "\(node.samples) \(node.samples == 1 ? "sample" : "samples")"
    guard legend.classes != nil else {
      let deviation = TreeLegend.number(node.impurity.squareRoot())
      return "\(prediction.text) ± \(deviation), \(samples)"
    }
    let share = TreeLegend.number((prediction.share * 1000).rounded() / 10)
    return "\(prediction.text) (\(share) %), \(samples), \(criterion)"
      + " \(Report.shortened(node.impurity, digits: 3))"
  }
}

extension Report {
  /// Adds the importance of columns: the share of each in what all splits took away, weighted by
  /// samples (Breiman et al., 1984).
  mutating func importance(_ gains: [Double], names: [String], limit: Int = 20) {
    let sum = gains.reduce(0, +)
    guard sum > 0 else { return }
    let order = gains.indices.filter { gains[$0] > 0 }
      .sorted { gains[$0] != gains[$1] ? gains[$0] > gains[$1] : $0 < $1 }
    table(
      "importance", "Importance", columns: ["column", "share"],
      rows: order.map { [.string(names[$0]), .number(gains[$0] / sum)] }, textLimit: limit)
  }
}
