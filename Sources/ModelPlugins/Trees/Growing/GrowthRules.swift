// SPDX-License-Identifier: Apache-2.0
import Runtime

/// When a node is split, and along which columns.
struct GrowthRules: Sendable, Hashable {
  /// Edges below the root.
  var maxDepth = GrowthRules.depthLimit
  /// Samples of a node that may be split.
  var minSamplesSplit = 2
  /// Samples of a leaf.
  var minSamplesLeaf = 1
  /// The share of the impurity, by weight of all samples, that a split must take away.
  var minImpurityDecrease = 0.0
  /// Columns drawn at random at every node; nil: all of them.
  var columnsAtSplit: Int?

  /// A degenerate table makes a tree as deep as it has rows; what is deeper than this is no use.
  static let depthLimit = 4096
}

/// What a tree predicts, in the form that all trees of a fit share.
enum TreeTarget: Sendable {
  case classes(ClassTarget)
  case numbers([Float])

  /// Values of a node.
  var width: Int {
    switch self {
    case .classes(let classes): classes.count
    case .numbers: 1
    }
  }

  var rowCount: Int {
    switch self {
    case .classes(let classes): classes.codes.count
    case .numbers(let numbers): numbers.count
    }
  }
}

/// The classes of the rows, with the weights that classes have.
final class ClassTarget: Sendable {
  let codes: [Int32]
  let count: Int
  let impurity: TreeNodeSamples.Impurity
  let weights: [Double]
  /// Of the weights.
  let weightLogarithms: [Double]
  /// c · log₂ c for every number of samples.
  let countLogarithms: [Double]

  /// - Parameters:
  ///   - weights: above 0, one for each class.
  ///   - maxSamples: samples that a tree may have, repetitions included.
  init(
    codes: [Int32], impurity: TreeNodeSamples.Impurity, weights: [Double], maxSamples: Int
  ) {
    self.codes = codes
    count = weights.count
    self.impurity = impurity
    self.weights = weights
    switch impurity {
    case .gini:
      (weightLogarithms, countLogarithms) = ([], [])
    case .entropy:
      weightLogarithms = weights.map { Logarithm.base2($0) }
      countLogarithms = (0...maxSamples).map {
        $0 == 0 ? 0 : Double($0) * Logarithm.base2(Double($0))
      }
    }
  }

  /// Lends the classes as the kernels know them.
  func withKernelClasses(_ body: (TreeNodeSamples.Classes) -> Void) {
    weights.withUnsafeBufferPointer { weights in
      weightLogarithms.withUnsafeBufferPointer { weightLogarithms in
        countLogarithms.withUnsafeBufferPointer { countLogarithms in
          guard let base = weights.baseAddress else { preconditionFailure("there are classes") }
          body(
            TreeNodeSamples.Classes(
              impurity, count: count, weights: base,
              weightLogarithms: impurity == .entropy ? weightLogarithms.baseAddress : nil,
              countLogarithms: impurity == .entropy ? countLogarithms.baseAddress : nil))
        }
      }
    }
  }
}
