// SPDX-License-Identifier: Apache-2.0

extension Parameters {
  /// Moves all values toward those of another network of the same graph: p += rate · (q - p).
  ///
  /// A rate of 1 copies them. Target networks of reinforcement learning follow so (Lillicrap et al., 2015).
  ///
  /// - Precondition: both were made for graphs with the same parameters.
  public func move(toward other: Parameters, rate: Float) {
    precondition(
      entries.map(\.name) == other.entries.map(\.name)
        && entries.map(\.shape) == other.entries.map(\.shape), "the networks differ")
    for (entry, source) in zip(entries, other.entries) {
      let (to, from) = (floats(of: entry), other.floats(of: source))
      if rate == 1 {
        _ = to.update(fromContentsOf: from)
      } else {
        for index in to.indices { to[index] += rate * (from[index] - to[index]) }
      }
    }
  }
}
