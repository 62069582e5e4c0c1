// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser

/// As `[team/]model[@version]`.
struct ModelReference: ExpressibleByArgument, Equatable {
  let name: String
  let version: Int64?

  init?(argument: String) {
    let parts = argument.split(separator: "@", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), !parts[0].isEmpty else { return nil }
    name = String(parts[0])
    if parts.count == 2 {
      guard let version = Int64(parts[1]), version > 0 else { return nil }
      self.version = version
    } else {
      version = nil
    }
  }
}
