// SPDX-License-Identifier: Apache-2.0
import COpenSSL

// SAFETY: the context has one owner and no tie to a thread.
/// Computes a SHA-256 digest piece by piece, with OpenSSL's fastest code for this processor.
public struct SHA256: ~Copyable, @unchecked Sendable {
  private let context: OpaquePointer

  /// Starts a digest.
  ///
  /// - Throws: `.internal` when OpenSSL has no SHA-256 or no memory.
  public init() throws(StoreError) {
    guard let context = EVP_MD_CTX_new() else {
      throw StoreError(.internal, "no memory for a digest")
    }
    guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      EVP_MD_CTX_free(context)
      throw StoreError(.internal, "SHA-256 is not available")
    }
    self.context = context
  }

  deinit {
    EVP_MD_CTX_free(context)
  }

  /// Adds bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    // Fails only without a provider, which `init` has seen to.
    EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
  }

  /// Ends the digest.
  public consuming func finalize() -> Digest {
    var length: UInt32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: Digest.byteCount) { buffer, count in
      EVP_DigestFinal_ex(context, buffer.baseAddress, &length)
      count = Digest.byteCount
    }
    guard let digest = Digest(bytes: bytes) else {
      preconditionFailure("SHA-256 has 32 bytes")
    }
    return digest
  }

  /// The digest of bytes in memory.
  public static func digest(of bytes: UnsafeRawBufferPointer) throws(StoreError) -> Digest {
    var hash = try SHA256()
    hash.update(bytes)
    return hash.finalize()
  }

  /// The digest of a file's contents.
  public static func digest(of file: MappedFile) throws(StoreError) -> Digest {
    try file.withBytes { (bytes) throws(StoreError) in try digest(of: bytes) }
  }
}
