// SPDX-License-Identifier: Apache-2.0
import Runtime

/// What the trees that did not have a row say about it: an estimate of the error on new rows that
/// costs no data (Breiman, "Random Forests", 2001, section 3.1).
struct OutOfBagVotes {
  /// (rows, width): sums of class probabilities, or of numbers.
  private(set) var sums: [Double]
  /// Trees that voted on each row.
  private(set) var trees: [Int32]
  private let width: Int

  init(rows: Int, width: Int) {
    sums = Array(repeating: 0, count: rows * width)
    trees = Array(repeating: 0, count: rows)
    self.width = width
  }

  /// Takes up the state of a checkpoint.
  init(_ state: TensorBundle, rows: Int, width: Int) throws(PluginError) {
    sums = try state.values("out_of_bag/sums", as: Double.self, shape: [rows * width])
    trees = try state.values("out_of_bag/trees", as: Int32.self, shape: [rows])
    self.width = width
  }

  func write(to bundle: inout TensorBundle) {
    bundle.set("out_of_bag/sums", sums)
    bundle.set("out_of_bag/trees", trees)
  }

  /// Adds a tree's votes; trees are added in their order.
  mutating func add(_ tree: GrownTree) {
    for (row, node) in tree.outOfBagNodes.enumerated() where node >= 0 {
      trees[row] += 1
      let first = Int(node) * width
      for index in 0..<width { sums[row * width + index] += Double(tree.values[first + index]) }
    }
  }

  /// The metrics, over the rows that a tree voted on.
  func metrics(_ target: TreeData.Target) -> [TrainingMetric] {
    let rows = trees.indices.filter { trees[$0] > 0 }
    guard !rows.isEmpty else { return [] }
    let metrics: [TrainingMetric]
    switch target {
    case .classes(let labels):
      var probabilities: [Float] = []
      probabilities.reserveCapacity(rows.count * width)
      for row in rows {
        for index in 0..<width {
          probabilities.append(Float(sums[row * width + index] / Double(trees[row])))
        }
      }
      metrics = probabilities.withUnsafeBufferPointer { buffer in
        buffer.baseAddress.map {
          // After each few trees again: what takes sorting is left to the other splits.
          Metrics.classification(
            $0, labels: rows.map { labels.codes[$0] }, classes: width, ranks: false)
        } ?? []
      }
    case .numbers(let numbers):
      metrics = Metrics.regression(
        rows.map { sums[$0] / Double(trees[$0]) }, targets: rows.map { numbers[$0] })
    }
    return metrics.map { TrainingMetric(name: "out_of_bag_\($0.name)", value: $0.value) }
  }
}
