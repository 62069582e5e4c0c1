// SPDX-License-Identifier: Apache-2.0
import CKernels

/// The samples of a node with what is known of all of them: what a search for its split begins from.
///
/// Borrows all memory that it is made of.
public struct TreeNodeSamples: ~Copyable {
  let node: mk_tree_node

  /// What a split of a classification makes less of.
  public enum Impurity: Sendable, Hashable {
    /// 1 − Σ p².
    case gini
    /// −Σ p log₂ p.
    case entropy
  }

  /// The classes of a classification, the same for every node.
  public struct Classes: @unchecked Sendable {
    // SAFETY: immutable, and their owner outlives this.
    let impurity: Impurity
    let count: Int
    let weights: UnsafePointer<Double>
    let weightLogarithms: UnsafePointer<Double>?
    let countLogarithms: UnsafePointer<Double>?

    /// Borrows the classes' weights and, for `entropy`, their binary logarithms and the table of
    /// c · log₂ c for every number of samples.
    public init(
      _ impurity: Impurity, count: Int, weights: UnsafePointer<Double>,
      weightLogarithms: UnsafePointer<Double>? = nil,
      countLogarithms: UnsafePointer<Double>? = nil
    ) {
      self.impurity = impurity
      self.count = count
      self.weights = weights
      self.weightLogarithms = weightLogarithms
      self.countLogarithms = countLogarithms
    }
  }

  /// The samples of a node of a classification.
  ///
  /// - Parameters:
  ///   - samples: the row in the lower half; above it 16 bits of class and 16 bits of how often the
  ///     row counts.
  ///   - counts: samples of each class.
  ///   - weight: the sum of the counts times the weights.
  ///   - scoreSum: the sum of (weight · count)², or of weight · count · log₂(weight · count).
  public init(
    _ samples: UnsafeBufferPointer<UInt64>, classes: Classes, counts: UnsafePointer<Double>,
    sampleCount: Int, weight: Double, scoreSum: Double, minimumLeaf: Int
  ) {
    var node = mk_tree_node(
      samples, leastScore: -.greatestFiniteMagnitude, minimumLeaf, sampleCount)
    node.criterion =
      classes.impurity == .gini
      ? mk_tree_criterion(MK_TREE_GINI) : mk_tree_criterion(MK_TREE_ENTROPY)
    node.classes = classes.count
    node.class_counts = counts
    node.class_weights = classes.weights
    node.class_weight_logs = classes.weightLogarithms
    node.count_logs = classes.countLogarithms
    node.weight = weight
    node.score_sum = scoreSum
    self.node = node
  }

  /// The samples of a node of a regression.
  ///
  /// - Parameters:
  ///   - samples: the row in the lower half, above it the target as a float.
  ///   - sum: of the targets.
  public init(_ samples: UnsafeBufferPointer<UInt64>, sum: Double, minimumLeaf: Int) {
    var node = mk_tree_node(
      samples, leastScore: -.greatestFiniteMagnitude, minimumLeaf, samples.count)
    node.criterion = mk_tree_criterion(MK_TREE_SQUARED_ERROR)
    node.sum = sum
    self.node = node
  }
}

extension mk_tree_node {
  fileprivate init(
    _ samples: UnsafeBufferPointer<UInt64>, leastScore: Double, _ minimumLeaf: Int,
    _ sampleCount: Int
  ) {
    self.init()
    if let base = samples.baseAddress { self.samples = base }
    count = samples.count
    least_score = leastScore
    minimum_leaf = UInt64(minimumLeaf)
    sample_count = UInt64(sampleCount)
  }
}
