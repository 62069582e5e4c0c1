// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Owned zeroed memory aligned to a cache line, or to a huge page when it is large.
///
/// `@unchecked Sendable`: it is a block of bytes; who writes when is its owner's rule, stated there.
final class AlignedMemory: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let byteCount: Int
  /// What the system gave, if the block is large.
  private let mapping: UnsafeMutableRawBufferPointer?

  /// Kernels read whole vectors, so a block ends with this much readable slack.
  private static let slack = 256
  /// From here on pages of 2 MiB save TLB misses: 1.25 times where weights stream from memory.
  private static let hugePage = 2 << 20

  /// - Throws: `.tooLarge` when the system has no such memory.
  init(byteCount: Int) throws(RuntimeError) {
    let (padded, overflow) = byteCount.addingReportingOverflow(Self.slack + 2 * Self.hugePage)
    guard !overflow, byteCount >= 0 else { throw Self.failure(byteCount) }
    self.byteCount = byteCount
    if byteCount >= Self.hugePage {
      // A mapping is zero without being touched: what is never used costs nothing.
      guard
        let start = mmap(
          nil, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        start != MAP_FAILED
      else { throw Self.failure(byteCount) }
      mapping = UnsafeMutableRawBufferPointer(start: start, count: padded)
      base = start.alignedUp(toMultipleOf: Self.hugePage)
      madvise(base, byteCount + Self.slack, Int32(MADV_HUGEPAGE))
    } else {
      let size = byteCount + Self.slack
      var pointer: UnsafeMutableRawPointer?
      guard posix_memalign(&pointer, 64, size) == 0, let pointer else {
        throw Self.failure(byteCount)
      }
      memset(pointer, 0, size)
      base = pointer
      mapping = nil
    }
  }

  deinit {
    if let mapping {
      munmap(mapping.baseAddress, mapping.count)
    } else {
      free(base)
    }
  }

  private static func failure(_ byteCount: Int) -> RuntimeError {
    RuntimeError(.tooLarge, "\(byteCount) bytes cannot be allocated")
  }

  var bytes: UnsafeMutableRawBufferPointer { .init(start: base, count: byteCount) }
}

extension AlignedMemory {
  /// Zeroed floats.
  static func floats(_ count: Int) throws(RuntimeError) -> AlignedMemory {
    try AlignedMemory(byteCount: try Shape([count]).byteCount(of: .fp32))
  }

  var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }
}
