// SPDX-License-Identifier: Apache-2.0

/// How a boosted tree grows.
struct BoostingRules: Sendable, Hashable {
  /// What each leaf's step is multiplied by.
  var learningRate = 0.1
  var maxLeaves = 31
  /// Edges below the root.
  var maxDepth = GrowthRules.depthLimit
  /// Samples of a leaf, as far as its Hessian tells; exact where every sample has the same.
  var minSamplesLeaf = 20
  /// The sum of Hessians of a leaf.
  var minHessian = 1e-3
  /// What a split must gain.
  var minGain = 0.0
  /// Added to every leaf's sum of Hessians.
  var l2 = 0.0
  /// Added to the Hessians by which categories are ordered.
  var categorySmoothing = 10.0
  /// Added to `l2` where categories are split.
  var categoryL2 = 10.0
}
