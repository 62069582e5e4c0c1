// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser

/// The shape of a sample as people write it: `28x28`, `224x224x3`, `784`.
struct SampleShape: ExpressibleByArgument, Equatable {
  let extents: [Int]

  init?(argument: String) {
    let parts = argument.split(separator: "x", omittingEmptySubsequences: false)
    let extents = parts.compactMap { Int($0) }
    guard (1...3).contains(parts.count), extents.count == parts.count,
      extents.allSatisfy({ $0 >= 1 })
    else { return nil }
    self.extents = extents
  }
}
