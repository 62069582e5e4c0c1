// SPDX-License-Identifier: Apache-2.0

import Glibc

extension Philox {
  /// A number in 0...1 that is distributed as Beta(shape, shape), from the words at `first` and behind it.
  ///
  /// Up to 1, Jöhnk's method (1964), in logarithms because powers underflow; above it, Cheng's algorithm BB
  /// (1978). Either takes few pairs of words on average; whoever is unlucky 1,000 times gets the mean.
  func symmetricBeta(_ shape: Double, from first: UInt64) -> Double {
    // In (0, 1): logarithms are finite.
    func unit(_ index: UInt64) -> Double { (Double(word(at: first + index)) + 0.5) * 0x1p-32 }
    let root = shape.squareRoot()
    for pair in UInt64(0)..<1000 {
      let (u, v) = (unit(2 * pair), unit(2 * pair + 1))
      if shape <= 1 {
        let (x, y) = (log(u) / shape, log(v) / shape)
        if exp(x) + exp(y) <= 1 { return 1 / (1 + exp(y - x)) }
      } else {
        let odds = log(u / (1 - u)) / root
        let w = shape * exp(odds)
        let r = (shape + root) * odds - log(4)
        if r + 2 * shape * log(2 * shape / (shape + w)) >= log(u * u * v) { return w / (shape + w) }
      }
    }
    return 0.5
  }
}
