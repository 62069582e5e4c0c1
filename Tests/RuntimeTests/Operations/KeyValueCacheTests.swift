// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Runtime

/// Attention step by step over a cache.
struct KeyValueCacheTests {
  /// The keys and values of a step are parts of its x; the cache goes in and out as a stream would have it.
  @Test func generatesWhatTheWholeSequenceGives() throws {
    let isa = try InstructionSet.preferred(forced: nil)
    let (samples, heads, capacity, width) = (2, 3, 7, 4)
    let count = samples * heads * capacity * width
    let x = (0..<count).map { Float(Philox(key: 3, stream: 1).word(at: UInt64($0)) % 100) / 50 - 1 }
    // x is (samples, heads, capacity, width).
    func steps(_ range: Range<Int>) -> [Float] {
      (0..<samples * heads).flatMap { group in
        Array(
          x[
            (group * capacity + range.lowerBound) * width..<(group * capacity + range.upperBound)
              * width])
      }
    }
    var whole = GraphRun()
    let all = try whole.input("x", Shape([samples, heads, capacity, width]), x)
    let attended = try whole.graph.attention(
      queries: all, keys: all, values: all, isCausal: true)
    let expected = try whole.run([attended], batch: samples, instructionSet: isa).values[0]

    var cache = [Float](repeating: .nan, count: count)
    for range in [0..<3, 3..<4, 4..<7] {
      var run = GraphRun()
      let past = try run.input("cache", Shape([samples, heads, capacity, width]), cache)
      let new = try run.input("x", Shape([samples, heads, range.count, width]), steps(range))
      let lengths = try run.indices(
        "lengths", Shape([samples]), [Int32](repeating: Int32(range.upperBound), count: samples))
      let held = try run.graph.appendToCache(past, steps: new, lengths: lengths)
      // What was never written may be anything; a causal query does not look at it.
      let seen = try run.graph.select(
        run.graph.compare(.equal, held, held), held, run.graph.constant(0))
      let y = try run.graph.attention(
        queries: new, keys: seen, values: seen, isCausal: true, lengths: lengths)
      let results = try run.run([y, held], batch: samples, instructionSet: isa).values
      cache = results[1]
      let wanted = (0..<samples * heads).flatMap { group in
        Array(
          expected[
            (group * capacity + range.lowerBound) * width..<(group * capacity + range.upperBound)
              * width])
      }
      #expect(deviation(results[0], from: wanted) < 1e-5, "steps \(range)")
    }
  }

  @Test func whatLiesOutsideTheCacheIsDropped() throws {
    let isa = try InstructionSet.preferred(forced: nil)
    var run = GraphRun()
    let cache = try run.input("cache", Shape([3, 2, 1]), [1, 2, 3, 4, 5, 6])
    let new = try run.input("new", Shape([3, 2, 1]), [10, 20, 30, 40, 50, 60])
    let lengths = try run.graph.cast(
      run.input("lengths", Shape([3]), [1, -7, 1e9]), to: .int32)
    let held = try run.graph.appendToCache(cache, steps: new, lengths: lengths)
    let values = try run.run([held], batch: 3, instructionSet: isa).values[0]
    #expect(values == [20, 2, 3, 4, 5, 6])
  }
}
