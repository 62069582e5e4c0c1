// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A file open for writing at its end.
///
/// Closed when the value goes; durable only after `sync`.
public struct WritableFile: ~Copyable, Sendable {
  private let descriptor: Int32

  init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }

  /// Writes all the bytes.
  ///
  /// - Throws: `.resourceExhausted` when the disk or a quota is full.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
    var rest = bytes
    while rest.count > 0 {
      let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if written < 0 {
        if errno == EINTR { continue }
        throw .system("write", "writing a file")
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }

  /// Puts what was written on the disk.
  public func sync() throws(StoreError) {
    guard fsync(descriptor) == 0 else { throw .system("fsync", "writing a file to disk") }
  }

  /// Sets the permissions, for example 0500 for an executable that nobody writes again.
  func setPermissions(_ permissions: mode_t) throws(StoreError) {
    guard fchmod(descriptor, permissions) == 0 else {
      throw .system("fchmod", "setting a file's permissions")
    }
  }
}
