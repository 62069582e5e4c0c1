// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

/// The binary logarithm, for suites that need no more of Glibc.
func log2Of(_ x: Double) -> Double { log2(x) }

@Suite struct GradientTests {
  /// Rows of eight codes with their gradients.
  private struct Rows {
    let codes: [UInt64]
    let gradients: [Float]
    let hessians: [Float]

    init(_ count: Int, values: Int, missing: Bool) {
      var numbers = Numbers(seed: count + values)
      codes = (0..<count).map { row in
        (0..<8).reduce(into: UInt64(0)) { word, column in
          let isMissing = missing && (row + column) % 5 == 0
          let code = isMissing ? 255 : Int(abs(numbers.next()) * Float(values)) % values
          word |= UInt64(code) << UInt64(8 * column)
        }
      }
      gradients = (0..<count).map { _ in numbers.next() }
      hessians = (0..<count).map { _ in abs(numbers.next()) + 0.01 }
    }

    func code(_ row: Int, _ column: Int) -> Int { Int(codes[row] >> UInt64(8 * column) & 255) }
  }

  private static let factor = 1024.0 * 1024

  private static func packed(_ rows: Rows, _ k: mk_kernels) -> [Int64] {
    var packed = [Int64](repeating: 0, count: rows.codes.count)
    k.gradient_pack(&packed, rows.gradients, rows.hessians, factor, factor, packed.count)
    return packed
  }

  @Test(arguments: InstructionSet.all)
  func packedSumsAreTwoSums(set: InstructionSet) {
    let rows = Rows(300, values: 9, missing: true)
    let packed = Self.packed(rows, set.kernels)
    let sum = packed.reduce(0, +)
    func fixed(_ x: Float) -> Int64 { Int64((Double(x) * Self.factor).rounded(.toNearestOrEven)) }
    let g = rows.gradients.map(fixed).reduce(0, +)
    let h = rows.hessians.map(fixed).reduce(0, +)
    #expect(sum >> 32 == g)
    #expect(Int64(Int32(truncatingIfNeeded: sum)) == h)

    for chosen in [nil, [UInt32](stride(from: 1, to: 300, by: 3))] {
      let histogram = GuardedArray<Int64>(count: 8 * 256, repeating: 0)
      let used = chosen ?? Array(0..<300)
      let gathered = used.map { packed[Int($0)] }
      set.kernels.gradient_histogram(
        histogram.pointer, rows.codes, chosen, gathered, used.count)
      var expected = [Int64](repeating: 0, count: 8 * 256)
      for row in used {
        for column in 0..<8 {
          expected[column * 256 + rows.code(Int(row), column)] += packed[Int(row)]
        }
      }
      #expect(histogram.values == expected)
      set.kernels.gradient_subtract(histogram.pointer, expected, expected.count)
      #expect(histogram.values.allSatisfy { $0 == 0 })
    }
  }

  @Test(arguments: [1, 2, 5, 16, 17, 200, 255], [false, true])
  func theSplitIsTheBestOfAll(values: Int, missing: Bool) {
    let rows = Rows(900, values: values, missing: missing)
    var results: [mk_tree_split] = []
    for set in InstructionSet.all {
      let k = set.kernels
      let packed = Self.packed(rows, k)
      var histogram = [Int64](repeating: 0, count: 8 * 256)
      k.gradient_histogram(&histogram, rows.codes, nil, packed, packed.count)
      var node = mk_gradient_node()
      node.total = packed.reduce(0, +)
      node.gradient_unit = 1 / Self.factor
      node.hessian_unit = 1 / Self.factor
      node.l2 = 0.5
      node.least_hessian = Int32(8 * Self.factor)
      node.least_score = -1
      for column in 0..<8 {
        var split = mk_tree_split()
        histogram.withUnsafeBufferPointer {
          if let base = $0.baseAddress {
            k.gradient_split(&node, base + 256 * column, values, 0, &split)
          }
        }
        let oracle = Self.best(rows, packed, column, values, node)
        #expect(abs(split.score - oracle) <= 1e-5 * max(1, oracle), "\(set.name)")
        results.append(split)
      }
    }
    let count = 8
    for (index, split) in results.enumerated() {
      let first = results[index % count]
      #expect(split.score.bitPattern == first.score.bitPattern && split.bin == first.bin)
      #expect(split.left_sums == first.left_sums && split.missing_left == first.missing_left)
    }
  }

  @Test func categoriesAreSplitInTheOrderOfTheirSteps() throws {
    let set = try #require(InstructionSet.all.first)
    var histogram = [Int64](repeating: 0, count: 256)
    // Gradients by category: 1 and 3 want up, 0, 2 and 4 down.
    let gradients: [Double] = [5, -6, 4, -7, 3]
    for (code, g) in gradients.enumerated() {
      histogram[code] = Int64(g * 1000) << 32 + 2000
    }
    var node = mk_gradient_node()
    node.total = histogram.reduce(0, +)
    node.gradient_unit = 1e-3
    node.hessian_unit = 1e-3
    node.least_hessian = 1
    node.least_score = -1
    var split = mk_tree_split()
    set.kernels.gradient_split(&node, histogram, 5, 1, &split)
    #expect(split.is_categorical == 1)
    #expect(split.categories.0 == 0b01010)
    #expect(abs(split.score - (169.0 / 4 + 144.0 / 6)) < 1e-9)
  }

  @Test(arguments: InstructionSet.all)
  func partitionsKeepTheOrder(set: InstructionSet) {
    let rows = Rows(100, values: 6, missing: true)
    var split = mk_tree_split()
    split.bin = 2
    split.missing_left = 1
    let order = GuardedArray<UInt32>((0..<100).map { UInt32($0) })
    let scratch = GuardedArray<UInt32>(count: 100, repeating: 0)
    let bytes = rows.codes.withUnsafeBytes { [UInt8]($0.dropFirst(3)) }
    let left = set.kernels.gradient_partition(
      order.pointer, scratch.pointer, 100, bytes, &split)
    let goesLeft = { (row: UInt32) in
      let code = rows.code(Int(row), 3)
      return code <= 2 || code == 255
    }
    let all = (0..<100).map { UInt32($0) }
    #expect(order.values == all.filter(goesLeft) + all.filter { !goesLeft($0) })
    #expect(left == all.count(where: goesLeft))
  }

  private static func best(
    _ rows: Rows, _ packed: [Int64], _ column: Int, _ values: Int, _ node: mk_gradient_node
  ) -> Double {
    var best = -1.0
    let hasMissing = rows.codes.indices.contains { rows.code($0, column) == 255 }
    for missingLeft in [false, true] where !missingLeft || hasMissing {
      for bin in 0..<values {
        var left: Int64 = 0
        for row in rows.codes.indices {
          let code = rows.code(row, column)
          if code == 255 ? missingLeft : code <= bin { left += packed[row] }
        }
        let right = node.total - left
        let (hl, hr) = (Int32(truncatingIfNeeded: left), Int32(truncatingIfNeeded: right))
        guard hl >= node.least_hessian, hr >= node.least_hessian else { continue }
        func term(_ sums: Int64, _ h: Int32) -> Double {
          let g = Double(sums >> 32) * node.gradient_unit
          return g * g / (Double(h) * node.hessian_unit + node.l2)
        }
        best = max(best, term(left, hl) + term(right, hr))
      }
    }
    return best
  }
}
