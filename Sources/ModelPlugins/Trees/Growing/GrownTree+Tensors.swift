// SPDX-License-Identifier: Apache-2.0

extension GrownTree {
  /// Adds the tree to a checkpoint's tensors.
  func write(to bundle: inout TensorBundle) {
    bundle.set("column", nodes.map(\.column))
    bundle.set("threshold", nodes.map(\.threshold))
    bundle.set("category_set", nodes.map(\.categorySet))
    bundle.set("missing_left", nodes.map { UInt8($0.missingGoLeft ? 1 : 0) })
    bundle.set("left", nodes.map(\.left))
    bundle.set("right", nodes.map(\.right))
    bundle.set("samples", nodes.map { Int64($0.samples) })
    bundle.set("weight", nodes.map(\.weight))
    bundle.set("impurity", nodes.map(\.impurity))
    bundle.set("gain", nodes.map(\.gain))
    bundle.set("values", values)
    bundle.set("category_sets", categorySets.map { Int32(bitPattern: $0) })
  }

  /// Reads what `write` wrote.
  ///
  /// - Throws: `.dataLoss` for a tree that is none.
  init(_ bundle: TensorBundle, width: Int, isCategorical: [Bool]) throws(PluginError) {
    self.init(width: width)
    let columns = try bundle.values("column", as: Int32.self, shape: [-1])
    let shape = [columns.count]
    let threshold = try bundle.values("threshold", as: Float.self, shape: shape)
    let categorySet = try bundle.values("category_set", as: Int32.self, shape: shape)
    let missingLeft = try bundle.values("missing_left", as: UInt8.self, shape: shape)
    let left = try bundle.values("left", as: Int32.self, shape: shape)
    let right = try bundle.values("right", as: Int32.self, shape: shape)
    let samples = try bundle.values("samples", as: Int64.self, shape: shape)
    let weight = try bundle.values("weight", as: Double.self, shape: shape)
    let impurity = try bundle.values("impurity", as: Double.self, shape: shape)
    let gain = try bundle.values("gain", as: Double.self, shape: shape)
    values = try bundle.values("values", as: Float.self, shape: [columns.count * width])
    categorySets = try bundle.values("category_sets", as: Int32.self, shape: [-1])
      .map { UInt32(bitPattern: $0) }
    for index in columns.indices {
      let isLeaf = columns[index] < 0
      let children = [Int(left[index]), Int(right[index])]
      guard
        isLeaf
          || (Int(columns[index]) < isCategorical.count
            && children.allSatisfy { $0 > index && $0 < columns.count }
            && isCategorical[Int(columns[index])] == (categorySet[index] >= 0)
            && Int(categorySet[index]) < categorySets.count / 8)
      else { throw PluginError(.dataLoss, "node \(index) of the checkpoint's tree is none") }
      nodes.append(
        Node(
          column: columns[index], threshold: threshold[index], categorySet: categorySet[index],
          missingGoLeft: missingLeft[index] != 0, left: left[index], right: right[index],
          samples: Int(samples[index]), weight: weight[index], impurity: impurity[index],
          gain: gain[index]))
    }
    guard !nodes.isEmpty else { throw PluginError(.dataLoss, "the checkpoint's tree has no node") }
  }
}
