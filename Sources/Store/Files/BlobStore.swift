// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Files named by their SHA-256 digest: written once, never changed.
public final class BlobStore: Sendable {
  /// Where the files are.
  let directory: Directory
  /// Where files are written before they have a name; on the same file system.
  let incoming: Directory
  /// What the files may be used for: 0400 for data, 0500 for a plugin's code.
  let permissions: mode_t
  private let path: String

  init(path: String, directory: Directory, incoming: Directory, permissions: mode_t) {
    self.path = path
    self.directory = directory
    self.incoming = incoming
    self.permissions = permissions
  }

  /// Starts to write a file of which the length and the digest are known beforehand.
  public func makeWriter(
    expecting digest: Digest, byteCount: Int
  ) throws(StoreError) -> BlobWriter {
    try BlobWriter(store: self, digest: digest, byteCount: byteCount)
  }

  /// Whether a file of this digest is here, whole.
  public func contains(_ digest: Digest) throws(StoreError) -> Bool {
    try directory.byteCount(of: digest.fileName) != nil
  }

  /// Maps the file of this digest.
  ///
  /// - Throws: `.notFound` when there is none.
  public func map(_ digest: Digest) throws(StoreError) -> MappedFile {
    try directory.map(digest.fileName)
  }

  /// Removes the file of this digest, of which no record may speak.
  public func remove(_ digest: Digest) throws(StoreError) {
    try directory.removeFile(digest.fileName)
  }

  /// The path of the file of this digest, for those who can only open paths: `dlopen`, a worker.
  public func path(of digest: Digest) -> String {
    "\(path)/\(digest.hexadecimal)"
  }
}
