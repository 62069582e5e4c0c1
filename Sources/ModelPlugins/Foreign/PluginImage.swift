// SPDX-License-Identifier: Apache-2.0
import CMemfd
import COpenSSL
import Glibc

/// A plugin's shared object in sealed memory: bytes that nobody can change any more.
///
/// What is verified and what is loaded are the same descriptor, so that there is no window in
/// between: a file that changes while it is copied gives another digest, and one that changes later
/// is not looked at again. The descriptor is closed with the object; a loaded library keeps it for
/// good, because the dynamic linker knows a library by its name, which holds the number.
public final class PluginImage: Sendable {
  /// Larger than any plugin; the server's own limit is below it.
  private static let maxByteCount = 1 << 30

  /// The sealed memory file; closes on exec.
  public let descriptor: Int32
  /// The length.
  public let byteCount: Int
  /// SHA-256 of the sealed bytes, in hexadecimal.
  public let digest: String

  /// Copies a file and seals the copy.
  ///
  /// - Throws: `.notFound` when it cannot be opened, `.invalidArgument` for what is no whole ELF
  ///   shared object for this machine, `.resourceExhausted` without the memory. No message holds
  ///   the path.
  public convenience init(path: String) throws(PluginError) {
    // Not blocking, or opening a FIFO would wait for somebody who writes it.
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else {
      throw PluginError(.notFound, "the plugin's file cannot be opened (errno \(errno))")
    }
    defer { close(file) }
    try self.init(copying: file)
  }

  /// Copies an open file and seals the copy.
  ///
  /// - Throws: as `init(path:)` does.
  public convenience init(copying file: Int32) throws(PluginError) {
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw PluginError(.invalidArgument, "the plugin is not a regular file")
    }
    let memory = cm_create("massif-plugin")
    guard memory >= 0 else { throw Self.noMemory }
    do throws(PluginError) {
      try Self.copy(file, to: memory)
      guard cm_seal(memory) == 0 else { throw Self.noMemory }
    } catch {
      close(memory)
      throw error
    }
    try self.init(adopting: memory)
  }

  /// Takes over a memory file that has been sealed already, by the server for its worker.
  ///
  /// - Throws: `.failedPrecondition` for a file without all seals; as `init(path:)` does.
  public init(adopting descriptor: Int32) throws(PluginError) {
    do throws(PluginError) {
      guard cm_is_sealed(descriptor) else {
        throw PluginError(.failedPrecondition, "the plugin's memory is not sealed")
      }
      (byteCount, digest) = try Self.measure(descriptor)
      try ELFImage.check(descriptor: descriptor)
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  /// Takes over what a server has verified and handed to its worker; nothing is checked again.
  init(verified descriptor: Int32, digest: String) {
    self.descriptor = descriptor
    self.digest = digest
    byteCount = 0
  }

  deinit {
    close(descriptor)
  }

  /// Calls `body` with the sealed bytes, which are valid for the call.
  ///
  /// - Throws: `.resourceExhausted` when they cannot be mapped, and what `body` throws.
  public func withBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    guard let start = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0),
      start != MAP_FAILED
    else { throw Self.noMemory }
    defer { munmap(start, byteCount) }
    return try body(UnsafeRawBufferPointer(start: start, count: byteCount))
  }

  /// The name under which this process, and no other, finds the bytes.
  var path: String { "/proc/self/fd/\(descriptor)" }

  private static let noMemory = PluginError(
    .resourceExhausted, "no memory for a copy of the plugin")

  private static func copy(_ file: Int32, to memory: Int32) throws(PluginError) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { buffer.deallocate() }
    var total = 0
    while true {
      let count = read(file, buffer.baseAddress, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw PluginError(.dataLoss, "the plugin's file cannot be read (errno \(errno))")
      }
      guard count > 0 else { return }
      total += count
      guard total <= maxByteCount else {
        throw PluginError(
          .resourceExhausted, "expected a plugin of at most \(maxByteCount) bytes, came more")
      }
      var rest = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      while !rest.isEmpty {
        let written = write(memory, rest.baseAddress, rest.count)
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { throw noMemory }
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
      }
    }
  }

  private static func measure(
    _ descriptor: Int32
  ) throws(PluginError) -> (byteCount: Int, digest: String) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw noMemory }
    let byteCount = Int(status.st_size)
    guard byteCount > 0 else {
      throw PluginError(.invalidArgument, "the plugin's file is cut short: it is empty")
    }
    guard let start = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0),
      start != MAP_FAILED
    else { throw noMemory }
    defer { munmap(start, byteCount) }
    return (byteCount, try sha256(UnsafeRawBufferPointer(start: start, count: byteCount)))
  }

  private static func sha256(_ bytes: UnsafeRawBufferPointer) throws(PluginError) -> String {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    guard
      EVP_Digest(bytes.baseAddress, bytes.count, &digest, &length, EVP_sha256(), nil) == 1
    else {
      throw PluginError(.internal, "SHA-256 is not available")
    }
    return Hexadecimal.text(digest.prefix(Int(length)))
  }
}
