// SPDX-License-Identifier: Apache-2.0

import CKernels
import Testing

@testable import Runtime

struct PhiloxTests {
  /// The known answers of Random123's `kat_vectors`, philox4x32 with 10 rounds.
  @Test func knownAnswers() {
    let ones: UInt32 = .max
    let zero = Philox.block(counter: (0, 0, 0, 0), key: (0, 0))
    #expect(zero == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    let full = Philox.block(counter: (ones, ones, ones, ones), key: (ones, ones))
    #expect(full == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    let pi = Philox.block(
      counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
      key: (0xa409_3822, 0x299f_31d0))
    #expect(pi == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test(arguments: InstructionSet.available)
  func kernelsGiveTheSameWords(_ isa: InstructionSet) {
    let philox = Philox(key: 0x0123_4567_89ab_cdef, stream: 0xfedc_ba98_7654_3210)
    var stream = philox.kernelStream
    // Odd beginnings and lengths, and the carry into the counter's second word.
    for (first, count) in [(0, 1), (0, 67), (1, 16), (3, 100), ((1 << 34) - 9, 40)] {
      var words = [UInt32](repeating: 0, count: count)
      isa.kernels.pointee.random_bits(&words, &stream, UInt64(first), count)
      #expect(words == (0..<count).map { philox.word(at: UInt64(first + $0)) })
    }
  }

  @Test func permutationsAreShuffledAndComplete() {
    let philox = Philox(key: 5, stream: 1)
    let order = philox.permutation(1000)
    #expect(order.sorted() == Array(0..<1000))
    #expect(order == philox.permutation(1000))
    #expect(order != Philox(key: 5, stream: 2).permutation(1000))
    // A uniform permutation moves an element by a third of the length in the mean.
    let moved = order.enumerated().reduce(0) { $0 + abs($1.offset - $1.element) }
    #expect((280_000...390_000).contains(moved))
    #expect(philox.permutation(0).isEmpty)
  }

  @Test(arguments: InstructionSet.available)
  func initializersHaveTheirMoments(_ isa: InstructionSet) throws {
    let count = 20_000
    let cases: [(Initializer, deviation: Float, limit: Float)] = [
      (.zeros, 0, 0), (.glorotUniform(fanIn: 30, fanOut: 20), (2.0 / 50).squareRoot(), 0.3465),
      (.glorotNormal(fanIn: 30, fanOut: 20), (2.0 / 50).squareRoot(), 1.2),
      (.heUniform(fanIn: 50), (2.0 / 50).squareRoot(), 0.3465),
      (.heNormal(fanIn: 50), (2.0 / 50).squareRoot(), 1.2),
      (.fanInUniform(fanIn: 50), (1.0 / 150).squareRoot(), 0.1415),
    ]
    for (initializer, deviation, limit) in cases {
      var graph = Graph()
      _ = try graph.parameter("before", shape: Shape([3]), initializer)
      _ = try graph.parameter("w", shape: Shape([count]), initializer)
      let values = try #require(try Parameters(graph, seed: 3, instructionSet: isa)["w"])
      let mean = values.reduce(0, +) / Float(count)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(count)
      #expect(abs(mean) <= 0.01)
      #expect(abs(variance.squareRoot() - deviation) <= 0.02 * deviation)
      #expect(values.allSatisfy { abs($0) <= limit })
    }
    var graph = Graph()
    _ = try graph.parameter("one", shape: Shape([5]), .ones)
    _ = try graph.parameter("a", shape: Shape([64]), .heNormal(fanIn: 4))
    _ = try graph.parameter("b", shape: Shape([64]), .heNormal(fanIn: 4))
    let first = try Parameters(graph, seed: 9, instructionSet: isa)
    let again = try Parameters(graph, seed: 9, instructionSet: isa)
    let other = try Parameters(graph, seed: 10, instructionSet: isa)
    #expect(first["one"] == [1, 1, 1, 1, 1])
    #expect(first["a"] == again["a"])
    #expect(first["a"] != other["a"])
    #expect(first["a"] != first["b"])
  }
}
