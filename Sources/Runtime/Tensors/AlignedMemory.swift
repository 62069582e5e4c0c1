// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Owned zeroed memory aligned to a cache line, or to a huge page when it is large.
///
/// `@unchecked Sendable`: it is a block of bytes; who writes when is its owner's rule, stated there.
final class AlignedMemory: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  /// Kernels read whole vectors, so a block ends with this much readable slack.
  static let slack = 256
  /// From here on pages of 2 MiB save TLB misses: 1.25 times where weights stream from memory.
  private static let hugePage = 2 << 20

  /// - Throws: `.tooLarge` when the system has no such memory.
  init(byteCount: Int) throws(RuntimeError) {
    let (padded, overflow) = byteCount.addingReportingOverflow(Self.slack)
    guard !overflow, byteCount >= 0 else {
      throw RuntimeError(.tooLarge, "\(byteCount) bytes cannot be allocated")
    }
    let isLarge = padded >= Self.hugePage
    let alignment = isLarge ? Self.hugePage : 64
    let (rounded, tooLarge) = padded.addingReportingOverflow(alignment - 1)
    guard !tooLarge else { throw RuntimeError(.tooLarge, "\(byteCount) bytes cannot be allocated") }
    let size = rounded / alignment * alignment
    var pointer: UnsafeMutableRawPointer?
    guard posix_memalign(&pointer, alignment, size) == 0, let pointer else {
      throw RuntimeError(.tooLarge, "\(byteCount) bytes cannot be allocated")
    }
    if isLarge { madvise(pointer, size, Int32(MADV_HUGEPAGE)) }
    memset(pointer, 0, size)
    base = pointer
    self.byteCount = byteCount
  }

  deinit { free(base) }

  var bytes: UnsafeMutableRawBufferPointer { .init(start: base, count: byteCount) }
}

extension AlignedMemory {
  /// Zeroed floats.
  static func floats(_ count: Int) throws(RuntimeError) -> AlignedMemory {
    try AlignedMemory(byteCount: try Shape([count]).byteCount(of: .fp32))
  }

  var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }
}
