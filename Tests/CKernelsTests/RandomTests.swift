// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
import Testing

@Suite struct RandomTests {
  /// Random123's published vectors for philox4x32-10 (kat_vectors: counter, key, result).
  static let knownAnswers: [(counter: [UInt32], key: [UInt32], result: [UInt32])] = [
    ([0, 0, 0, 0], [0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
    (
      [.max, .max, .max, .max], [.max, .max],
      [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
    ),
    (
      [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
      [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
    ),
  ]

  private func joined(_ low: UInt32, _ high: UInt32) -> UInt64 { UInt64(high) << 32 | UInt64(low) }

  @Test(arguments: InstructionSet.all)
  func philoxGivesTheKnownAnswers(set: InstructionSet) {
    for (counter, key, result) in Self.knownAnswers {
      var stream = mk_philox(
        key: joined(key[0], key[1]), stream: joined(counter[2], counter[3]))
      let out = GuardedArray<UInt32>(count: 4, repeating: 0)
      set.kernels.random_blocks(out.pointer, &stream, joined(counter[0], counter[1]), 1)
      #expect(out.values == result)
    }
  }

  @Test(arguments: InstructionSet.all)
  func anyPartOfAStreamIsReproducible(set: InstructionSet) {
    var stream = mk_philox(key: 0x1234_5678_9abc_def0, stream: 7)
    let first: UInt64 = (1 << 34) - 50  // The block number crosses 32 bits.
    let count = 200
    let k = set.kernels
    let words = GuardedArray<UInt32>(count: count, repeating: 0)
    k.random_bits(words.pointer, &stream, first, count)
    #expect(Set(words.values).count == count)
    let blocks = GuardedArray<UInt32>(count: 4 * 60, repeating: 0)
    k.random_blocks(blocks.pointer, &stream, first / 4, 60)
    #expect(words.values == Array(blocks.values[2..<2 + count]))
    let parted = GuardedArray<UInt32>(count: count, repeating: 0)
    let x = Floats(count: count, repeating: 1)
    func run(step: Int) -> [Floats] {
      let all = (0..<3).map { _ in Floats(count: count, repeating: sentinel) }
      for r in parts(of: count, step: step) {
        let at = r.lowerBound
        let start = first + UInt64(at)
        k.random_uniform(all[0].pointer + at, &stream, start, -2, 3, r.count)
        k.random_normal(all[1].pointer + at, &stream, start, 1, 2, r.count)
        k.dropout(all[2].pointer + at, x.pointer + at, &stream, start, 0.3, r.count)
        k.random_bits(parted.pointer + at, &stream, start, r.count)
      }
      return all
    }
    let whole = run(step: count), split = run(step: 7)
    #expect(parted.values == words.values)
    for (a, b) in zip(whole, split) { #expect(bitDifference(a, b) == nil) }
    for i in 0..<count {
      let unit = Float(words[i] >> 8) * 0x1p-24
      #expect(abs(whole[0][i] - (5 * unit - 2)) < 1e-6)
      #expect(whole[2][i] == (Double(words[i]) < 0.3 * 0x1p32 ? 0 : 1 / 0.7))
    }
  }

  @Test(arguments: InstructionSet.all)
  func normalNumbersHaveTheirMoments(set: InstructionSet) {
    var stream = mk_philox(key: 99, stream: 0)
    let count = 40_000
    let z = Floats(count: count, repeating: .nan)
    set.kernels.random_normal(z.pointer, &stream, 0, 0, 1, count)
    var moments = [0.0, 0.0, 0.0, 0.0]
    for i in 0..<count {
      var power = 1.0
      for n in 0..<4 {
        power *= Double(z.pointer[i])
        moments[n] += power / Double(count)
      }
    }
    // Five standard errors: sqrt(Var / n) with Var = 1, 2, 15, 96.
    for (n, (expected, variance)) in [(0.0, 1.0), (1, 2), (0, 15), (3, 96)].enumerated() {
      #expect(abs(moments[n] - expected) < 5 * sqrt(variance / Double(count)), "moment \(n + 1)")
    }
  }

  /// Box-Muller of the very words, in double precision.
  @Test(arguments: InstructionSet.all)
  func normalNumbersAreBoxMuller(set: InstructionSet) {
    var stream = mk_philox(key: 5, stream: 6)
    let count = 2_000
    let z = Floats(count: count, repeating: .nan)
    let words = GuardedArray<UInt32>(count: count, repeating: 0)
    set.kernels.random_normal(z.pointer, &stream, 0, 0, 1, count)
    set.kernels.random_bits(words.pointer, &stream, 0, count)
    let expected = (0..<count).map { i -> Double in
      let unit = (Double(words[i & ~1] >> 1) + 0.5) * 0x1p-31
      let angle = 2 * Double.pi * Double(words[i | 1] >> 8) * 0x1p-24
      return sqrt(-2 * log(unit)) * (i % 2 == 0 ? cos(angle) : sin(angle))
    }
    // Where the logarithm is near 0 its argument's rounding counts.
    #expect(difference(z, expected, tolerance: 2e-4) == nil)
  }

  @Test(arguments: InstructionSet.all)
  func allInstructionSetsGiveTheSameWords(set: InstructionSet) {
    var stream = mk_philox(key: 1, stream: 2)
    let ours = GuardedArray<UInt32>(count: 100, repeating: 0)
    let scalar = GuardedArray<UInt32>(count: 100, repeating: 0)
    set.kernels.random_bits(ours.pointer, &stream, 3, 100)
    InstructionSet.all.last?.kernels.random_bits(scalar.pointer, &stream, 3, 100)
    #expect(ours.values == scalar.values)
  }

  @Test(arguments: InstructionSet.all)
  func dropoutKeepsItsShare(set: InstructionSet) {
    var stream = mk_philox(key: 3, stream: 4)
    let x = Floats(count: 20_000, repeating: 3)
    set.kernels.dropout(x.pointer, x.pointer, &stream, 0, 0.25, x.count)
    let dropped = x.values.count { $0 == 0 }
    #expect(abs(dropped - 5_000) < 5 * 62)
    #expect(x.values.allSatisfy { $0 == 0 || $0 == 4 })
    let all = Floats(count: 9, repeating: 3)
    set.kernels.dropout(all.pointer, all.pointer, &stream, 0, 0, all.count)
    #expect(all.values == [Float](repeating: 3, count: 9))
  }
}
