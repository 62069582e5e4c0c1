// SPDX-License-Identifier: Apache-2.0
import Runtime

/// The best split of a leaf that was found so far.
struct BoostedSplit {
  var split = TreeSplit()
  /// -1: none.
  var column = -1
  /// Above `min_gain`.
  var gain = 0.0
}

/// Searches the histograms of one leaf.
struct BoostedLeafSearch: Sendable {
  private let leaf: GradientKernels.Leaf
  /// What a split must score more than.
  private let leastScore: Double
  /// The leaf's own score.
  private let ownScore: Double
  private let isSplittable: Bool

  init(_ total: Int64, rows: Int, _ rules: BoostingRules, _ scale: FixedPoint) {
    let hessian = scale.hessian(total)
    let gradient = scale.gradient(total)
    ownScore = hessian + rules.l2 > 0 ? gradient * gradient / (hessian + rules.l2) : 0
    leastScore = ownScore + rules.minGain
    // Samples are told from their share of the Hessian, as in LightGBM: counting them would make
    // histograms half as large again.
    let packed = Double(Int32(truncatingIfNeeded: total))
    let perSample = rows > 0 ? packed / Double(rows) : 0
    let least = max(
      (Double(rules.minSamplesLeaf) - 0.5) * perSample, rules.minHessian * scale.hessianFactor)
    isSplittable = packed >= 2 * least && rows >= 2 * rules.minSamplesLeaf
    leaf = GradientKernels.Leaf(
      total: total, gradientUnit: 1 / scale.gradientFactor, hessianUnit: 1 / scale.hessianFactor,
      l2: rules.l2, categoryL2: rules.categoryL2, categorySmoothing: rules.categorySmoothing,
      leastHessian: Int32(max(1, min(least.rounded(.up), Double(Int32.max)))))
  }

  /// The best split along some columns of a group; of equal ones, that of the first column.
  func best(
    of columns: Range<Int>, isAllowed: [Bool], _ histogram: UnsafePointer<Int64>,
    _ table: CodedTable, _ kernels: GradientKernels
  ) -> BoostedSplit {
    var best = BoostedSplit()
    guard isSplittable else { return best }
    var score = leastScore
    let width = TreeKernels.groupWidth
    for column in columns where isAllowed[column] {
      let bins = table.bins[column]
      let split = kernels.split(
        leaf, histogram: histogram + column % width * TreeKernels.slotCount, values: bins.count,
        isCategorical: bins.isCategorical)
      guard split.score > score else { continue }
      score = split.score
      best = BoostedSplit(split: split, column: column, gain: score - ownScore)
    }
    return best
  }
}

/// The scale of a tree's fixed-point gradients and Hessians.
struct FixedPoint: Sendable {
  /// What a gradient is multiplied by.
  let gradientFactor: Double
  /// What a Hessian is multiplied by.
  let hessianFactor: Double

  /// The sum of all magnitudes; rounding adds at most a half for each of fewer than 2^30 rows, which
  /// leaves it below 2^31.
  private static let sum = Double(1 << 30)

  init(_ problem: BoostedTreeGrower.Problem) {
    var (gradients, hessians) = (0.0, 0.0)
    for row in problem.rows {
      gradients += Double(abs(problem.gradients[Int(row)]))
      hessians += Double(problem.hessians[Int(row)])
    }
    // Where there is nothing to scale, 1 keeps units finite.
    gradientFactor = gradients > 0 ? min(Self.sum / gradients, 1e30) : 1
    let factor = hessians > 0 ? min(Self.sum / hessians, 1e30) : 1
    // A whole number for Hessians of 1, so that they count samples exactly.
    hessianFactor = problem.hasConstantHessian ? max(factor.rounded(.down), 1) : factor
  }

  /// The gradient of packed sums.
  func gradient(_ packed: Int64) -> Double { Double(packed >> 32) / gradientFactor }

  /// The Hessian of packed sums.
  func hessian(_ packed: Int64) -> Double {
    Double(Int32(truncatingIfNeeded: packed)) / hessianFactor
  }
}

/// One result for each tile, each written by one.
final class BoostedSplits: @unchecked Sendable {
  private let splits: UnsafeMutablePointer<BoostedSplit>
  private let count: Int

  init(count: Int) {
    self.count = count
    splits = .allocate(capacity: max(count, 1))
    splits.initialize(repeating: BoostedSplit(), count: count)
  }

  deinit { splits.deallocate() }

  subscript(index: Int) -> BoostedSplit {
    get { splits[index] }
    set { splits[index] = newValue }
  }

  /// The best of every other result; of equal ones, the first.
  func best(from first: Int, by step: Int) -> BoostedSplit {
    var best = BoostedSplit()
    for index in stride(from: first, to: count, by: step) where splits[index].column >= 0 {
      if best.column < 0 || splits[index].gain > best.gain { best = splits[index] }
    }
    return best
  }
}
