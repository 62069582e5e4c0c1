// SPDX-License-Identifier: Apache-2.0
import CMemfd
import Glibc

/// A file in memory, for parsers that read files by their path.
final class MemoryFile {
  private let descriptor: Int32

  /// Makes a file that holds `bytes`.
  ///
  /// - Throws: `FuzzFinding` where the system has no descriptor or no memory left.
  init(_ bytes: some Collection<UInt8>) throws(FuzzFinding) {
    descriptor = cm_create("massif-fuzz")
    try require(descriptor >= 0, "a file in memory cannot be made: \(errno)")
    let contents = Array(bytes)
    let written = write(descriptor, contents, contents.count)
    try require(written == contents.count, "a file in memory takes \(written) bytes")
  }

  deinit { close(descriptor) }

  /// Where this process finds it.
  var path: String { "/proc/self/fd/\(descriptor)" }
}
