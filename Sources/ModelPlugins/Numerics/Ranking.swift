// SPDX-License-Identifier: Apache-2.0

/// How well scores rank the positive samples above the others.
struct Ranking {
  /// The area under the curve of true against false positives.
  let rocAUC: Double
  /// The area under the curve of precision against recall, in steps, as scikit-learn has it.
  let averagePrecision: Double

  /// One sample in 64 bits that sort by falling score.
  struct Sample {
    fileprivate let bits: UInt64

    init(score: Float, isPositive: Bool) {
      // The bits of floats are in their order once negative ones are turned over.
      let pattern = score.bitPattern
      let rising = pattern >> 31 == 1 ? ~pattern : pattern | 1 << 31
      bits = UInt64(~rising) << 32 | (isPositive ? 1 : 0)
    }
  }

  /// nil where there are no positive samples, or no others.
  init?(_ samples: [Sample]) {
    let positives = samples.count { $0.bits & 1 == 1 }
    let negatives = samples.count - positives
    guard positives > 0, negatives > 0 else { return nil }
    let order = samples.map(\.bits).sorted()
    var (truePositives, falsePositives, area, precision) = (0, 0, 0.0, 0.0)
    var position = 0
    while position < order.count {
      // Equal scores are one step of the curve.
      let score = order[position] >> 32
      var (ones, zeros) = (0, 0)
      while position < order.count, order[position] >> 32 == score {
        if order[position] & 1 == 1 { ones += 1 } else { zeros += 1 }
        position += 1
      }
      area += Double(zeros) * (Double(truePositives) + Double(ones) / 2)
      truePositives += ones
      falsePositives += zeros
      precision +=
        Double(ones) / Double(positives)
        * (Double(truePositives) / Double(truePositives + falsePositives))
    }
    rocAUC = area / (Double(positives) * Double(negatives))
    averagePrecision = precision
  }
}
