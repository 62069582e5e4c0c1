// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Writes one file of a `BlobStore`: append everything, `verify`, look at it if need be, `commit`.
///
/// The digest is computed on the way. The file has no name that anyone can ask for until `commit`;
/// a writer that goes before that takes its file with it. Used by one task at a time.
public final class BlobWriter: Sendable {
  private enum Phase: ~Copyable, Sendable {
    case writing(WritableFile, SHA256, byteCount: Int)
    case verified(WritableFile)
    case ended
  }

  /// The digest that the file must turn out to have.
  public let digest: Digest
  /// The length that the file must turn out to have.
  public let expectedByteCount: Int
  private let store: BlobStore
  private let temporary: ResourceName
  private let phase: Mutex<Phase>

  convenience init(store: BlobStore, digest: Digest, byteCount: Int) throws(StoreError) {
    let temporary = ResourceName.random(prefix: "blob-")
    let file = try store.incoming.create(temporary)
    try self.init(
      store: store, digest: digest, byteCount: byteCount, temporary: temporary, file: file)
  }

  /// Takes a file that is open already, under its name in the incoming directory.
  init(
    store: BlobStore, digest: Digest, byteCount: Int, temporary: ResourceName,
    file: consuming WritableFile
  ) throws(StoreError) {
    self.store = store
    self.digest = digest
    self.expectedByteCount = byteCount
    self.temporary = temporary
    self.phase = Mutex(.writing(file, try SHA256(), byteCount: 0))
  }

  deinit {
    // A committed file has been renamed, so that this finds nothing.
    try? store.incoming.removeFile(temporary)
  }

  /// Adds bytes at the end.
  ///
  /// - Throws: `.invalidArgument` when there are more than were announced, `.resourceExhausted` when
  ///   the disk is full. The file is gone then.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
    try transition { (phase) throws(StoreError) in
      guard case .writing(let file, var hash, let byteCount) = phase else { throw Self.ended }
      guard bytes.count <= expectedByteCount - byteCount else {
        throw StoreError(
          .invalidArgument, "expected \(expectedByteCount) bytes as announced, came more")
      }
      try file.write(bytes)
      hash.update(bytes)
      return .writing(file, hash, byteCount: byteCount + bytes.count)
    }
  }

  /// Ends the file and checks it against what was announced.
  ///
  /// - Throws: `.invalidArgument` when the length or the digest differ. The file is gone then.
  public func verify() throws(StoreError) {
    try transition { (phase) throws(StoreError) in
      guard case .writing(let file, let hash, let byteCount) = phase else { throw Self.ended }
      guard byteCount == expectedByteCount else {
        throw StoreError(
          .invalidArgument,
          "expected \(expectedByteCount) bytes as announced, came \(byteCount)")
      }
      let found = hash.finalize()
      guard found == digest else {
        throw StoreError(
          .invalidArgument, "expected SHA-256 \(digest), came data with SHA-256 \(found)")
      }
      return .verified(file)
    }
  }

  /// Maps the file, to look at it between `verify` and `commit`.
  public func map() throws(StoreError) -> MappedFile {
    try store.incoming.map(temporary)
  }

  /// Gives the file its name.
  ///
  /// It survives a crash from here on. Blocks until the disk has it.
  public func commit() throws(StoreError) {
    try transition { (phase) throws(StoreError) in
      guard case .verified(let file) = phase else { throw Self.ended }
      try file.setPermissions(store.permissions)
      try file.sync()
      try store.incoming.rename(temporary, to: store.directory, as: digest.fileName)
      try store.directory.sync()
      return .ended
    }
  }

  private static let ended = StoreError(.failedPrecondition, "the file has been ended already")

  /// Runs a step; a failed one ends the file and leaves nothing behind.
  private func transition(
    _ step: (consuming Phase) throws(StoreError) -> Phase
  ) throws(StoreError) {
    do throws(StoreError) {
      try phase.withLock { (phase) throws(StoreError) in
        let current = consume phase
        phase = .ended
        phase = try step(current)
      }
    } catch {
      try? store.incoming.removeFile(temporary)
      throw error
    }
  }
}
