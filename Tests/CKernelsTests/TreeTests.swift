// SPDX-License-Identifier: Apache-2.0
import CKernels
import Testing

@Suite struct TreeTests {
  /// Whole numbers with gaps, ties and missing values.
  private static func values(_ count: Int, seed: Int, missing: Bool) -> [Float] {
    var numbers = Numbers(seed: seed)
    return (0..<count).map { _ in
      let number = numbers.next()
      return missing && number > 0.8 ? .nan : (number * 20).rounded() / 4
    }
  }

  private static func codes(_ x: [Float], _ upper: [Float], _ k: mk_kernels) -> [UInt8] {
    var codes = [UInt8](repeating: 0, count: x.count)
    k.tree_codes(&codes, 1, x, 1, x.count, upper, upper.count)
    return codes
  }

  @Test(arguments: InstructionSet.all)
  func sortingIsSorting(set: InstructionSet) {
    for count in [0, 1, 2, 100, 5000] {
      var numbers = Numbers(seed: count + 1)
      let x = (0..<count).map { $0 % 17 == 3 ? Float.nan : numbers.next() * Float($0 + 1) }
      let sorted = Floats(x)
      let scratch = GuardedArray<UInt32>(count: 2 * count, repeating: 0)
      set.kernels.sort(sorted.pointer, scratch.pointer, count)
      let expected = x.filter { !$0.isNaN }.sorted()
      #expect(Array(sorted.values.prefix(expected.count)) == expected)
      #expect(sorted.values.dropFirst(expected.count).allSatisfy { $0.isNaN })
    }
  }

  @Test(arguments: InstructionSet.all)
  func aCodeCountsTheBoundsBelow(set: InstructionSet) {
    for uppers in [0, 1, 2, 3, 7, 8, 200, 254] {
      let upper = (0..<uppers).map { Float($0) / 2 }
      let x: [Float] = [-1, 0, 0.25, 0.5, 3, 100, 126.5, 1000, .infinity, -.infinity, .nan]
      let expected = x.map { value in
        value.isNaN ? 255 : UInt8(upper.count { $0 < value })
      }
      #expect(Self.codes(x, upper, set.kernels) == expected)
      var wide = [UInt32](repeating: 0, count: x.count)
      set.kernels.tree_wide_codes(&wide, x, x.count, upper, uppers)
      #expect(wide == expected.map { $0 == 255 ? .max : UInt32($0) })
    }
  }

  /// A node, and the best split of it by trying them all.
  struct Problem: CustomTestStringConvertible {
    var rows: Int
    var criterion: Int
    var classes = 3
    var missing = false
    var categorical = false
    var wide = false
    var minimumLeaf = 1
    var testDescription: String {
      "\(rows) rows, criterion \(criterion), missing \(missing), categories \(categorical),"
        + " wide \(wide), leaves of \(minimumLeaf)"
    }
  }

  static let problems: [Problem] = [2, 5, 24, 25, 100, 511, 512, 1300].flatMap { rows in
    [MK_TREE_GINI, MK_TREE_ENTROPY, MK_TREE_SQUARED_ERROR].flatMap { criterion in
      [false, true].flatMap { missing in
        [
          Problem(rows: rows, criterion: Int(criterion), missing: missing),
          Problem(rows: rows, criterion: Int(criterion), missing: missing, wide: true),
          Problem(rows: rows, criterion: Int(criterion), missing: missing, minimumLeaf: 3),
          Problem(
            rows: rows, criterion: Int(criterion), classes: 2, missing: missing,
            categorical: true),
        ]
      }
    }
  }

  @Test(arguments: problems)
  func theSplitIsTheBestOfAll(problem: Problem) {
    let x = Self.values(problem.rows, seed: problem.rows, missing: problem.missing)
    let distinct = Set(x.filter { !$0.isNaN }).sorted()
    let upper = zip(distinct, distinct.dropFirst()).map { ($0 + $1) / 2 }
    var numbers = Numbers(seed: problem.rows + 7)
    let labels = x.map { value -> Int in
      let noise: Float = abs(numbers.next()) * 2
      let shift: Float = value > 1 ? 1 : 0
      return Int((noise + shift).rounded()) % problem.classes
    }
    let targets = x.map { value -> Float in
      let shift: Float = value > 1 ? 1 : 0
      return numbers.next() + shift
    }
    let isRegression = problem.criterion == Int(MK_TREE_SQUARED_ERROR)
    let samples = (0..<problem.rows).map { row -> UInt64 in
      if isRegression { return UInt64(row) | UInt64(targets[row].bitPattern) << 32 }
      let times = UInt64(1 + row % 2)
      return UInt64(row) | UInt64(labels[row]) << 32 | times << 48
    }
    var results: [mk_tree_split] = []
    for set in InstructionSet.all {
      let k = set.kernels
      let bytes = Self.codes(x, upper, k)
      var wide = [UInt32](repeating: 0, count: x.count)
      k.tree_wide_codes(&wide, x, x.count, upper, upper.count)
      let found = TreeNodeFixture(
        samples, labels, targets, problem, codes: bytes, wideCodes: wide
      ).split(k)
      let oracle = TreeNodeFixture.best(bytes, labels, targets, problem)
      if let oracle {
        #expect(abs(found.score - oracle) <= 1e-9 * max(1, abs(oracle)), "\(set.name)")
      } else {
        #expect(found.score == -.greatestFiniteMagnitude, "\(set.name)")
      }
      #expect((found.is_constant != 0) == (Set(bytes).count <= 1))
      results.append(found)
    }
    for other in results.dropFirst() {
      #expect(other.score.bitPattern == results[0].score.bitPattern)
      #expect(other.bin == results[0].bin && other.next == results[0].next)
      #expect(other.missing_left == results[0].missing_left)
    }
  }
}

/// A node's memory as the kernels want it, and the same search in plain Swift.
struct TreeNodeFixture {
  private let samples: [UInt64]
  private let problem: TreeTests.Problem
  private let counts: [Double]
  private let sum: Double
  private let codes: [UInt8]
  private let wideCodes: [UInt32]

  init(
    _ samples: [UInt64], _ labels: [Int], _ targets: [Float], _ problem: TreeTests.Problem,
    codes: [UInt8], wideCodes: [UInt32]
  ) {
    self.samples = samples
    self.problem = problem
    self.codes = codes
    self.wideCodes = wideCodes
    var counts = [Double](repeating: 0, count: problem.classes)
    for (row, label) in labels.enumerated() { counts[label] += Double(1 + row % 2) }
    self.counts = counts
    sum = targets.reduce(0) { $0 + Double($1) }
  }

  func split(_ k: mk_kernels) -> mk_tree_split {
    let keys = GuardedArray<UInt64>(count: 2 * samples.count, repeating: 0)
    let slots = GuardedArray<UInt32>(count: 256 * problem.classes, repeating: 0)
    let side = GuardedArray<Double>(count: problem.classes, repeating: .nan)
    var scratch = mk_tree_scratch(
      keys: keys.pointer, capacity: samples.count, slots: slots.pointer,
      class_counts: side.pointer)
    let total = counts.reduce(0, +)
    let ones = [Double](repeating: 1, count: problem.classes)
    let zeros = [Double](repeating: 0, count: problem.classes)
    let logs = (0...Int(total)).map { xlogx(Double($0)) }
    var found = mk_tree_split()
    samples.withUnsafeBufferPointer { samples in
      counts.withUnsafeBufferPointer { counts in
        ones.withUnsafeBufferPointer { ones in
          zeros.withUnsafeBufferPointer { zeros in
            logs.withUnsafeBufferPointer { logs in
              codes.withUnsafeBufferPointer { codes in
                wideCodes.withUnsafeBufferPointer { wideCodes in
                  var node = mk_tree_node()
                  node.samples = samples.baseAddress
                  node.count = samples.count
                  node.criterion = mk_tree_criterion(problem.criterion)
                  node.minimum_leaf = UInt64(problem.minimumLeaf)
                  node.least_score = -.greatestFiniteMagnitude
                  node.classes = problem.classes
                  node.class_counts = counts.baseAddress
                  node.class_weights = ones.baseAddress
                  node.class_weight_logs = zeros.baseAddress
                  node.count_logs = logs.baseAddress
                  node.weight = total
                  let isGini = problem.criterion == Int(MK_TREE_GINI)
                  node.score_sum = counts.reduce(0) { $0 + (isGini ? $1 * $1 : xlogx($1)) }
                  let isRegression = problem.criterion == Int(MK_TREE_SQUARED_ERROR)
                  node.sample_count = isRegression ? UInt64(samples.count) : UInt64(total)
                  node.sum = sum
                  guard let bytes = codes.baseAddress, let words = wideCodes.baseAddress else {
                    return
                  }
                  var column = mk_tree_column(
                    codes: problem.wide ? UnsafeRawPointer(words) : UnsafeRawPointer(bytes),
                    stride: 1, is_wide: problem.wide ? 1 : 0,
                    is_categorical: problem.categorical ? 1 : 0)
                  k.tree_split(&node, &column, &scratch, &found)
                }
              }
            }
          }
        }
      }
    }
    #expect(slots.values.allSatisfy { $0 == 0 })
    return found
  }

  private func xlogx(_ x: Double) -> Double { Self.xlogx(x) }
  private static func xlogx(_ x: Double) -> Double { x > 0 ? x * log2Of(x) : 0 }

  /// The best score of every split that is allowed; nil when there is none.
  static func best(
    _ codes: [UInt8], _ labels: [Int], _ targets: [Float], _ problem: TreeTests.Problem
  ) -> Double? {
    let values = Set(codes).subtracting([255]).sorted()
    var best: Double?
    func take(_ goesLeft: (Int) -> Bool) {
      guard let score = score(labels, targets, problem, goesLeft) else { return }
      if score > best ?? -.infinity { best = score }
    }
    if problem.categorical {
      // Two classes and squared errors: the best set is a prefix of the order by mean.
      let order = values.sorted { a, b in
        let (meanA, meanB) = (
          mean(a, codes, labels, targets, problem), mean(b, codes, labels, targets, problem)
        )
        return meanA != meanB ? meanA < meanB : a < b
      }
      for end in order.indices {
        let left = Set(order[...end])
        take { left.contains(codes[$0]) }
        take { left.contains(codes[$0]) || codes[$0] == 255 }
      }
      return best
    }
    for value in values {
      take { codes[$0] <= value && codes[$0] != 255 }
      if value != values.last || codes.contains(255) == false {
        take { codes[$0] <= value || codes[$0] == 255 }
      }
    }
    return best
  }

  private static func mean(
    _ code: UInt8, _ codes: [UInt8], _ labels: [Int], _ targets: [Float],
    _ problem: TreeTests.Problem
  ) -> Double {
    let rows = codes.indices.filter { codes[$0] == code }
    if problem.criterion == Int(MK_TREE_SQUARED_ERROR) {
      return rows.reduce(0) { $0 + Double(targets[$1]) } / Double(rows.count)
    }
    let weights = rows.map { Double(1 + $0 % 2) }
    let ones = zip(rows, weights).reduce(0) { $0 + (labels[$1.0] == 1 ? $1.1 : 0) }
    return ones / weights.reduce(0, +)
  }

  private static func score(
    _ labels: [Int], _ targets: [Float], _ problem: TreeTests.Problem, _ goesLeft: (Int) -> Bool
  ) -> Double? {
    var score = 0.0
    for side in [true, false] {
      let rows = labels.indices.filter { goesLeft($0) == side }
      guard !rows.isEmpty else { return nil }
      if problem.criterion == Int(MK_TREE_SQUARED_ERROR) {
        guard rows.count >= problem.minimumLeaf else { return nil }
        let sum = rows.reduce(0) { $0 + Double(targets[$1]) }
        score += sum * sum / Double(rows.count)
        continue
      }
      var counts = [Double](repeating: 0, count: problem.classes)
      for row in rows { counts[labels[row]] += Double(1 + row % 2) }
      let all = counts.reduce(0, +)
      guard all >= Double(problem.minimumLeaf) else { return nil }
      score +=
        problem.criterion == Int(MK_TREE_GINI)
        ? counts.reduce(0) { $0 + $1 * $1 } / all
        : counts.reduce(0) { $0 + xlogx($1) } - xlogx(all)
    }
    return score
  }
}
