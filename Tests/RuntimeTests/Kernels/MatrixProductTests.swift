// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

@Suite struct MatrixProductTests {
  @Test(arguments: [(1, 5, 3), (15, 33, 7), (70, 90, 400), (200, 20, 33)], [false, true])
  func bitsDoNotDependOnThreads(shape: (m: Int, n: Int, k: Int), isTransposed: Bool) throws {
    let (m, n, k) = shape
    let a = (0..<m * k).map { Float($0 * 37 % 101) / 50 - 1 }
    let b = (0..<k * n).map { Float($0 * 53 % 97) / 48 - 1 }
    let bias = (0..<n).map { Float($0 % 7) }
    let sums = (0..<m * n).map { index in
      let (i, j) = (index / n, index % n)
      return (0..<k).reduce(Double(bias[j])) { sum, p in
        sum + Double(a[i * k + p]) * Double(isTransposed ? b[j * k + p] : b[p * n + j])
      }
    }
    for isa in InstructionSet.available {
      let product = MatrixProduct(
        m: m, n: n, k: k, aRowStride: k, bIsTransposed: isTransposed,
        bStride: isTransposed ? k : n, instructionSet: isa)
      var alone = [Float](repeating: .nan, count: m * n)
      var scratch = [Float](repeating: .nan, count: product.scratchCount + 1)
      product.run(a: a, b: b, into: &alone, cStride: n, bias: bias, scratch: &scratch)
      #expect(zip(alone, sums).allSatisfy { abs(Double($0) - $1) < 1e-3 }, "\(isa)")
      for threads in [1, 2, 7] {
        let workers = try WorkerPool(threadCount: threads)
        var c = [Float](repeating: .nan, count: m * n)
        var shared = [Float](
          repeating: .nan, count: product.sharedScratchCount(threads: threads))
        product.run(
          a: a, b: b, into: &c, cStride: n, bias: bias, workers: workers, scratch: &shared)
        #expect(c.map(\.bitPattern) == alone.map(\.bitPattern), "\(isa), \(threads) threads")
      }
    }
  }
}
