// SPDX-License-Identifier: Apache-2.0
internal import CZlib
internal import Glibc

/// A file that is read from front to back, decompressed on the way if it is gzip.
///
/// Offsets in errors count the decompressed bytes. A gzip file that is cut short or damaged is an
/// error, never an early end.
final class SourceFile {
  let path: String
  private let file: gzFile
  /// Bytes that were read so far.
  private(set) var offset = 0

  init(_ path: String) throws(CommandError) {
    self.path = path
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw CommandError("\(path) cannot be opened: \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT != S_IFDIR else {
      throw CommandError(path, expected: "a file", came: "a directory")
    }
    // "e" closes it in child processes; zlib reads files that are not gzip as they are.
    guard let file = gzopen(path, "rbe") else {
      throw CommandError("\(path) cannot be opened: \(String(cString: strerror(errno)))")
    }
    self.file = file
    gzbuffer(file, 256 << 10)
  }

  deinit {
    gzclose(file)
  }

  /// The next bytes, at most `count`; fewer only at the end of the file.
  func read(upTo count: Int) throws(CommandError) -> [UInt8] {
    var problem: String?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      (filled, problem) = fill(UnsafeMutableRawBufferPointer(buffer))
    }
    return try checked(bytes, problem)
  }

  /// Exactly `count` bytes of `what`.
  ///
  /// Memory grows with what the file really has, so a header that promises more than there is takes
  /// none.
  func read(exactly count: Int, of what: String) throws(CommandError) -> [UInt8] {
    let start = offset
    var bytes: [UInt8] = []
    while bytes.count < count {
      let piece = try read(upTo: min(count - bytes.count, 16 << 20))
      if piece.isEmpty { break }
      if bytes.isEmpty, piece.count == count { return piece }
      bytes += piece
    }
    guard bytes.count == count else {
      throw CommandError(
        path, field: "byte \(start)", expected: "\(count) bytes of \(what)",
        came: "\(bytes.count) bytes", hint: "the file is cut short; fetch it again")
    }
    return bytes
  }

  /// Checks that nothing follows.
  func expectEnd(after what: String) throws(CommandError) {
    let end = offset
    guard try read(upTo: 1).isEmpty else {
      throw CommandError(
        path, field: "byte \(end)", expected: "the end of the file after \(what)",
        came: "more bytes")
    }
  }

  private func fill(_ buffer: UnsafeMutableRawBufferPointer) -> (Int, problem: String?) {
    var filled = 0
    while filled < buffer.count {
      // Where the data turns out to be damaged, zlib drops what one call had decompressed so far.
      let wanted = UInt32(min(buffer.count - filled, 128 << 10))
      let count = gzread(file, buffer.baseAddress.map { $0 + filled }, wanted)
      if count <= 0 { break }
      filled += Int(count)
    }
    var code: Int32 = 0
    let message = gzerror(file, &code)
    guard code != Z_OK, code != Z_STREAM_END else { return (filled, nil) }
    if code == Z_BUF_ERROR { return (filled, "data that is cut short") }
    if code == Z_ERRNO { return (filled, String(cString: strerror(errno))) }
    return (filled, message.map { String(cString: $0) } ?? "gzip error \(code)")
  }

  private func checked(_ bytes: [UInt8], _ problem: String?) throws(CommandError) -> [UInt8] {
    offset += bytes.count
    if let problem {
      throw CommandError(
        path, field: "byte \(offset)", expected: "whole gzip data", came: problem,
        hint: "the file is damaged; fetch it again")
    }
    return bytes
  }
}
