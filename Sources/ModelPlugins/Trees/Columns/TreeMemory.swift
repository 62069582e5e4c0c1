// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A fixed number of elements at an address that does not move, aligned to a cache line.
///
/// `@unchecked Sendable`: who writes what and when is its owner's rule, stated there.
final class TreeMemory<Element: BitwiseCopyable>: @unchecked Sendable {
  let base: UnsafeMutablePointer<Element>
  let count: Int

  /// Allocates zeroed elements.
  ///
  /// - Throws: `.resourceExhausted` when there is no such memory.
  init(count: Int) throws(PluginError) {
    let (bytes, overflow) = max(count, 1)
      .multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    var memory: UnsafeMutableRawPointer?
    guard !overflow, posix_memalign(&memory, 64, bytes) == 0, let memory else {
      throw PluginError(.resourceExhausted, "no memory for \(count) elements of a table's codes")
    }
    memset(memory, 0, bytes)
    base = memory.bindMemory(to: Element.self, capacity: max(count, 1))
    self.count = count
  }

  deinit { free(base) }
}
