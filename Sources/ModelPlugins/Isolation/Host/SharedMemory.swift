// SPDX-License-Identifier: Apache-2.0
import CMemfd
import CSandbox
import Glibc

/// A file in memory that is lent to a worker.
final class SharedMemory: Sendable {
  let descriptor: Int32
  let byteCount: Int

  /// Memory for both to write.
  ///
  /// - Throws: `.resourceExhausted` when there is none.
  init(sharing byteCount: Int) throws(PluginError) {
    descriptor = cs_memory_create("massif-slot", byteCount)
    self.byteCount = byteCount
    guard descriptor >= 0 else { throw Self.exhausted(byteCount) }
  }

  /// A copy of bytes that nobody can change any more.
  ///
  /// - Throws: `.resourceExhausted` when there is no memory for it.
  init(
    freezing parts: [(offset: Int, bytes: UnsafeRawBufferPointer)], byteCount: Int
  ) throws(PluginError) {
    let descriptor = cm_create("massif-artifacts")
    guard descriptor >= 0 else { throw Self.exhausted(byteCount) }
    guard ftruncate(descriptor, off_t(byteCount)) == 0,
      parts.allSatisfy({ Self.write($0.bytes, at: $0.offset, to: descriptor) }),
      cm_seal(descriptor) == 0
    else {
      let error = Self.exhausted(byteCount)
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    self.byteCount = byteCount
  }

  deinit {
    close(descriptor)
  }

  private static func write(
    _ bytes: UnsafeRawBufferPointer, at offset: Int, to descriptor: Int32
  ) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let next = UnsafeRawBufferPointer(rebasing: rest)
      let written = pwrite(
        descriptor, next.baseAddress, next.count, off_t(offset + rest.startIndex))
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return false }
      rest = rest[(rest.startIndex + written)...]
    }
    return true
  }

  private static func exhausted(_ byteCount: Int) -> PluginError {
    PluginError(.resourceExhausted, "no shared memory of \(byteCount) bytes (errno \(errno))")
  }
}
