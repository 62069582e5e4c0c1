// SPDX-License-Identifier: Apache-2.0

import CKernels

/// A stream of random numbers that is a pure function of its key: Philox 4x32-10 (Salmon et al., "Parallel random
/// numbers: as easy as 1, 2, 3", SC'11).
///
/// Number i is word i mod 4 of the block with counter i / 4, so any part of a stream is had without the
/// parts before it. This is the reference; `CKernels` has the vectorized form, and a test holds the two equal.
public struct Philox: Sendable, Hashable {
  /// The key of all streams of one seed.
  public let key: UInt64
  /// Which of the key's streams.
  public let stream: UInt64

  /// A stream by its number.
  public init(key: UInt64, stream: UInt64) {
    self.key = key
    self.stream = stream
  }

  /// The stream of one tensor at one step of training; step 0 is initialisation.
  init(seed: UInt64, step: UInt64, stream: UInt32) {
    // 2^32 tensors and 2^32 steps; a run of 2^32 steps takes years.
    self.init(key: seed, stream: step << 32 | UInt64(stream))
  }

  /// The 32-bit word at a position of the stream.
  public func word(at index: UInt64) -> UInt32 {
    let block = Self.block(
      counter: (
        UInt32(truncatingIfNeeded: index / 4), UInt32(truncatingIfNeeded: (index / 4) >> 32),
        UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32)
      ),
      key: (UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32)))
    return switch index % 4 {
    case 0: block.0
    case 1: block.1
    case 2: block.2
    default: block.3
    }
  }

  /// A number in 0 ..< `bound`, unbiased enough for shuffling: 64 bits times the bound, the upper half.
  ///
  /// Takes the words 2 · index and 2 · index + 1.
  public func integer(at index: UInt64, below bound: Int) -> Int {
    let bits = UInt64(word(at: 2 * index)) << 32 | UInt64(word(at: 2 * index + 1))
    return Int(bits.multipliedFullWidth(by: UInt64(max(1, bound))).high)
  }

  /// A permutation of 0 ..< `count` (Fisher and Yates), for example the order of an epoch.
  public func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for position in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(position, integer(at: UInt64(position), below: position + 1))
    }
    return order
  }

  typealias Words = (UInt32, UInt32, UInt32, UInt32)

  /// Ten rounds.
  static func block(counter: Words, key: (UInt32, UInt32)) -> Words {
    var (counter, key) = (counter, key)
    for _ in 0..<10 {
      let a = UInt32(0xD251_1F53).multipliedFullWidth(by: counter.0)
      let b = UInt32(0xCD9E_8D57).multipliedFullWidth(by: counter.2)
      counter = (
        b.high ^ counter.1 ^ key.0, b.low, a.high ^ counter.3 ^ key.1, a.low
      )
      // The golden ratio and the square root of three, less one.
      key = (key.0 &+ 0x9E37_79B9, key.1 &+ 0xBB67_AE85)
    }
    return counter
  }

  var kernelStream: mk_philox { mk_philox(key: key, stream: stream) }
}
