// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Glibc

/// A file of this machine that is sent in chunks; its digest goes before it.
struct UploadFile: Sendable {
  /// Well below gRPC's customary message limit of 4 MiB, and large enough that the calls around it
  /// do not show.
  static let chunkByteCount = 512 << 10

  let path: String
  let byteCount: UInt64
  let sha256: [UInt8]

  /// Reads the file once, for its length and its digest.
  ///
  /// - Throws: `.invalidArgument` when it cannot be read.
  init(path: String) throws(MassifError) {
    guard let context = EVP_MD_CTX_new() else {
      throw MassifError(.internal, "no memory for a digest")
    }
    defer { EVP_MD_CTX_free(context) }
    EVP_DigestInit_ex(context, EVP_sha256(), nil)
    var byteCount: UInt64 = 0
    let file = try OpenFile(path)
    while let chunk = try file.next() {
      byteCount += UInt64(chunk.count)
      EVP_DigestUpdate(context, chunk, chunk.count)
    }
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    EVP_DigestFinal_ex(context, &digest, &length)
    self.path = path
    self.byteCount = byteCount
    sha256 = Array(digest.prefix(Int(length)))
  }

  /// Gives the file's chunks to `body` in order, then checks that it is as long as when it was
  /// digested.
  func forEachChunk(_ body: ([UInt8]) async throws -> Void) async throws {
    let file = try OpenFile(path)
    var sent: UInt64 = 0
    while let chunk = try file.next() {
      sent += UInt64(chunk.count)
      guard sent <= byteCount else { break }
      try await body(chunk)
    }
    guard sent == byteCount else {
      throw MassifError(.aborted, "\(path) changed while it was sent")
    }
  }

  /// Cuts bytes into chunks that a message can carry.
  static func chunks(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    stride(from: 0, to: bytes.count, by: chunkByteCount).map {
      bytes[$0..<min($0 + chunkByteCount, bytes.count)]
    }
  }

  /// A file descriptor that is closed with its owner.
  private final class OpenFile {
    private let descriptor: Int32
    private let path: String

    init(_ path: String) throws(MassifError) {
      self.path = path
      // Not blocking, or opening a FIFO would wait for somebody who writes it.
      descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
      guard descriptor >= 0 else {
        throw MassifError(
          .invalidArgument, "\(path) cannot be opened: \(String(cString: strerror(errno)))")
      }
      // A device has no end to be sent, and what it gives twice need not be the same.
      var status = stat()
      guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        throw MassifError(.invalidArgument, "\(path) is not a regular file")
      }
    }

    deinit { Glibc.close(descriptor) }

    /// The next bytes, at most a chunk; nil at the end.
    func next() throws(MassifError) -> [UInt8]? {
      var problem: Int32 = 0
      let chunk = [UInt8](unsafeUninitializedCapacity: chunkByteCount) { buffer, filled in
        filled = 0
        while filled < buffer.count {
          let count = read(
            descriptor, buffer.baseAddress.map { $0 + filled }, buffer.count - filled)
          if count < 0, errno == EINTR { continue }
          if count < 0 { problem = errno }
          guard count > 0 else { break }
          filled += count
        }
      }
      guard problem == 0 else {
        throw MassifError(
          .invalidArgument, "\(path) cannot be read: \(String(cString: strerror(problem)))")
      }
      return chunk.isEmpty ? nil : chunk
    }
  }
}

/// How far an upload is.
public struct UploadProgress: Sendable, Hashable {
  /// Bytes that were handed to the network.
  public let sent: UInt64
  /// Bytes of the whole file.
  public let total: UInt64
}
