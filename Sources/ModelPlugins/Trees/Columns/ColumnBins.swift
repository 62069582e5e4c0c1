// SPDX-License-Identifier: Apache-2.0

/// How the values of a column become codes, and codes thresholds.
///
/// A number's code is how many of `upper` lie below it. Categories keep their index as their code.
struct ColumnBins: Sendable, Hashable {
  /// Bounds between neighbouring bins, one fewer than bins; ascending.
  private(set) var upper: [Float] = []
  /// The least and the greatest value that each bin was made of; empty for categories.
  private var least: [Float] = []
  private var greatest: [Float] = []
  /// How many codes there are beside the missing one; 0 when every value is missing.
  private(set) var count: Int
  /// Whether codes are categories, without an order.
  let isCategorical: Bool

  /// The bins of a column of categories.
  ///
  /// - Precondition: at most `maxBins` of them.
  init(categories: Int) {
    count = categories
    isCategorical = true
  }

  /// The most bins that a code of one byte tells apart.
  static let maxBins = 255

  /// Makes the bins of a column of numbers.
  ///
  /// With as many values as bins or fewer, each value is a bin. With more, values that fill a bin by
  /// themselves get one, and the others share what is left about equally (as LightGBM's
  /// `GreedyFindBin` does).
  ///
  /// - Parameters:
  ///   - sorted: the values in ascending order, without NaN.
  ///   - maxBins: nil: a bin for each value.
  init(sorted: UnsafeBufferPointer<Float>, maxBins: Int?) {
    var distinct: [Float] = []
    var counts: [Int] = []
    var index = 0
    while index < sorted.count {
      let value = sorted[index]
      let start = index
      while index < sorted.count, sorted[index] == value { index &+= 1 }
      distinct.append(value)
      counts.append(index - start)
    }
    isCategorical = false
    if let maxBins, distinct.count > maxBins {
      let ends = Self.ends(of: counts, total: sorted.count, maxBins: maxBins)
      var start = 0
      for end in ends + [distinct.count - 1] {
        least.append(distinct[start])
        greatest.append(distinct[end])
        start = end + 1
      }
    } else {
      least = distinct
      greatest = distinct
    }
    count = least.count
    upper = (0..<max(count - 1, 0)).map { Self.middle(greatest[$0], least[$0 + 1]) }
  }

  /// The value up to which samples go left: half-way between the codes on either side of a split.
  ///
  /// - Parameter next: nil when only missing values go right.
  func threshold(after bin: Int, before next: Int?) -> Float {
    guard let next else { return .infinity }
    return Self.middle(greatest[bin], least[next])
  }

  /// The last value of every bin but the last.
  private static func ends(of counts: [Int], total: Int, maxBins: Int) -> [Int] {
    var mean = Double(total) / Double(maxBins)
    let isBig = counts.map { Double($0) >= mean }
    var restBins = maxBins
    var rest = total
    for (count, isBig) in zip(counts, isBig) where isBig {
      restBins -= 1
      rest -= count
    }
    mean = restBins > 0 ? Double(rest) / Double(restBins) : .infinity
    var ends: [Int] = []
    var filled = 0
    for index in 0..<(counts.count - 1) where ends.count < maxBins - 1 {
      if !isBig[index] { rest -= counts[index] }
      filled += counts[index]
      let nextIsBig = isBig[index + 1] && Double(filled) >= max(1, mean / 2)
      guard isBig[index] || Double(filled) >= mean || nextIsBig else { continue }
      ends.append(index)
      filled = 0
      if !isBig[index] {
        restBins -= 1
        mean = restBins > 0 ? Double(rest) / Double(restBins) : .infinity
      }
    }
    return ends
  }

  /// Half-way, but below `b`, so that `a` is at most it and `b` is above it.
  private static func middle(_ a: Float, _ b: Float) -> Float {
    let middle = Float((Double(a) + Double(b)) / 2)
    return middle < b ? middle : a
  }
}
