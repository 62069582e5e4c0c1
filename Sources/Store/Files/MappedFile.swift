// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A regular file mapped into memory, for reading.
///
/// Unmapped with the object.
///
/// The file must not shrink while it is mapped: the store's files are never written again.
public final class MappedFile: Sendable {
  // SAFETY: a private read-only mapping of a file that nobody writes, so any thread may read it.
  nonisolated(unsafe) private let mapping: UnsafeRawBufferPointer

  /// The file's contents, for those who keep this object alive for as long as they use them.
  public var bytes: UnsafeRawBufferPointer { mapping }

  /// The file's length.
  public var count: Int { mapping.count }

  /// Calls `body` with the file's contents, which are valid for the call.
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(self) {} }
    return try body(mapping)
  }

  /// Maps a file by its path, which is the operator's or this program's own and may hold links.
  ///
  /// - Throws: `.notFound` when there is none, `.dataLoss` when it is no regular file.
  public convenience init(path: String) throws(StoreError) {
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { throw .system("open", "opening a file") }
    defer { close(file) }
    try self.init(descriptor: file)
  }

  convenience init(_ name: ResourceName, in directory: Directory) throws(StoreError) {
    // Not blocking, or opening a FIFO would wait for somebody who writes it.
    let file = openat(
      directory.descriptor, name.description, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0)
    guard file >= 0 else { throw .system("openat", "opening a file") }
    defer { close(file) }
    try self.init(descriptor: file)
  }

  private init(descriptor file: Int32) throws(StoreError) {
    var status = stat()
    guard fstat(file, &status) == 0 else { throw .system("fstat", "opening a file") }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw StoreError(.dataLoss, "expected a regular file")
    }
    let count = Int(status.st_size)
    guard count > 0 else {
      mapping = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, file, 0), start != MAP_FAILED else {
      throw .system("mmap", "mapping a file")
    }
    mapping = UnsafeRawBufferPointer(start: start, count: count)
  }

  deinit {
    if let start = mapping.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: start), mapping.count)
    }
  }
}
