// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

@Suite struct ReductionTests {
  static let shapes = [
    (0, 3), (3, 0), (1, 1), (9, 3), (20, 16), (7, 33), (5, 64), (4, 100), (65, 130),
  ]

  @Test(arguments: shapes)
  func columnSums(rows: Int, columns: Int) {
    let stride = columns + 3
    var numbers = Numbers(seed: 21)
    let x = numbers.array(rows == 0 ? 0 : (rows - 1) * stride + columns)
    let initial = numbers.array(columns)
    for accumulates in [false, true] {
      let expected = (0..<columns).map { j in
        (0..<rows).reduce(accumulates ? Double(initial[j]) : 0) { $0 + Double(x[$1 * stride + j]) }
      }
      for set in InstructionSet.all {
        let whole = Floats(initial.values), split = Floats(initial.values)
        let flag: Int32 = accumulates ? 1 : 0
        set.kernels.column_sums(whole.pointer, x.pointer, stride, rows, columns, flag)
        #expect(difference(whole, expected, tolerance: 2e-5) == nil, "\(set.name)")
        for part in parts(of: columns, step: 7) {
          set.kernels.column_sums(
            split.pointer + part.lowerBound, x.pointer + part.lowerBound, stride, rows, part.count,
            flag)
        }
        #expect(bitDifference(whole, split) == nil, "\(set.name)")
      }
    }
  }

  @Test(arguments: ElementwiseTests.counts)
  func sums(count: Int) {
    var numbers = Numbers(seed: 22)
    let x = numbers.array(count)
    let sum = x.values.reduce(0.0) { $0 + Double($1) }
    let squares = x.values.reduce(0.0) { $0 + Double($1) * Double($1) }
    for set in InstructionSet.all {
      #expect(abs(Double(set.kernels.sum(x.pointer, count)) - sum) < 1e-5, "\(set.name)")
      let found = Double(set.kernels.sum_of_squares(x.pointer, count))
      #expect(abs(found - squares) < 1e-5, "\(set.name)")
    }
  }

  /// Mean and sum of squared deviations of each channel, from all rows, two chunks merged.
  @Test(arguments: [(1, 1), (2, 5), (30, 16), (17, 40)])
  func channelMoments(rows: Int, c: Int) {
    var numbers = Numbers(seed: 23)
    let x = numbers.array(rows * c)
    // Far from zero, where a one-pass formula would lose everything.
    for i in 0..<x.count { x[i] += 100 }
    let mean = (0..<c).map { j in
      (0..<rows).reduce(0.0) { $0 + Double(x[$1 * c + j]) } / Double(rows)
    }
    let deviations = (0..<c).map { j in
      (0..<rows).reduce(0.0) { $0 + pow(Double(x[$1 * c + j]) - mean[j], 2) }
    }
    for set in InstructionSet.all {
      let k = set.kernels
      for cut in [0, 1, rows / 2, rows] {
        let m = Floats(count: c, repeating: sentinel), d = Floats(count: c, repeating: sentinel)
        let more = Floats(count: c, repeating: sentinel)
        let moreDeviations = Floats(count: c, repeating: sentinel)
        k.channel_moments(m.pointer, d.pointer, x.pointer, cut, c)
        k.channel_moments(
          more.pointer, moreDeviations.pointer, x.pointer + cut * c, rows - cut, c)
        k.channel_moments_merge(
          m.pointer, d.pointer, cut, more.pointer, moreDeviations.pointer, rows - cut, c)
        #expect(difference(m, mean, tolerance: 3e-5) == nil, "\(set.name) \(cut)")
        #expect(difference(d, deviations, tolerance: 1e-3) == nil, "\(set.name) \(cut)")
      }
    }
  }

  @Test(arguments: [(0, 4), (1, 1), (6, 5), (20, 16), (9, 35)])
  func batchNormalisation(rows: Int, c: Int) {
    var numbers = Numbers(seed: 24)
    let x = numbers.array(rows * c), dy = numbers.array(rows * c)
    let mean = numbers.array(c), inverse = numbers.array(c), gamma = numbers.array(c)
    let factor = numbers.array(c), offset = numbers.array(c)
    func normal(_ i: Int) -> Double {
      (Double(x[i]) - Double(mean[i % c])) * Double(inverse[i % c])
    }
    let dgamma = (0..<c).map { j in
      (0..<rows).reduce(0.0) { $0 + Double(dy[$1 * c + j]) * normal($1 * c + j) }
    }
    let dbeta = (0..<c).map { j in (0..<rows).reduce(0.0) { $0 + Double(dy[$1 * c + j]) } }
    let total = Double(rows + 2)
    let dx = (0..<rows * c).map { i -> Double in
      let shared = (dbeta[i % c] + normal(i) * dgamma[i % c]) / total
      return Double(gamma[i % c]) * Double(inverse[i % c]) * (Double(dy[i]) - shared)
    }
    for set in InstructionSet.all {
      let k = set.kernels
      for activation in ActivationCase.all {
        let out = Floats(count: rows * c, repeating: sentinel)
        k.channel_affine(
          out.pointer, x.pointer, factor.pointer, offset.pointer, activation.code, rows, c)
        let expected = (0..<rows * c).map {
          activation.value(Double(x[$0]) * Double(factor[$0 % c]) + Double(offset[$0 % c]))
        }
        #expect(difference(out, expected, tolerance: 1e-6) == nil, "\(set.name)")
      }
      let g = Floats(count: c, repeating: sentinel), b = Floats(count: c, repeating: sentinel)
      k.batch_norm_gradient_sums(
        g.pointer, b.pointer, x.pointer, dy.pointer, mean.pointer, inverse.pointer, rows, c)
      #expect(difference(g, dgamma, tolerance: 2e-5) == nil, "\(set.name)")
      #expect(difference(b, dbeta, tolerance: 2e-5) == nil, "\(set.name)")
      let out = Floats(dy.values)
      k.batch_norm_gradient(
        out.pointer, x.pointer, out.pointer, mean.pointer, inverse.pointer, gamma.pointer,
        g.pointer, b.pointer, rows + 2, rows, c)
      #expect(difference(out, dx, tolerance: 1e-5) == nil, "\(set.name)")
    }
  }
}
