// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Everything that the server keeps: metadata in SQLite, bytes in files beside it.
///
/// ```
/// massif.sqlite                              the records
/// incoming/                                  files that have no name yet; emptied by `open`
/// datasets/<sha256>  plugins/<sha256>        content-addressed files
/// jobs/<job>/                                a training's checkpoints and its exported model
/// models/<team>/<model>/<version>/           manifest.json and the files that it names
/// ```
///
/// A function that writes returns when the disk has it: what was acknowledged survives `kill -9` and
/// a power cut. Functions block for as long as the disk takes. Thread-safe.
public final class Store: Sendable {
  /// Data sets' files.
  public let datasets: BlobStore
  /// Plugins' shared objects.
  public let plugins: BlobStore

  let database: MetadataDatabase
  let incoming: Directory
  let models: Directory
  private let jobs: Directory
  private let path: String
  /// Holds the lock for as long as the store is open.
  private let lock: StoreLock

  /// Opens the store in a directory, which is made if need be.
  ///
  /// - Throws: `.failedPrecondition` when another process has it open.
  public static func open(directory path: String) throws(StoreError) -> Store {
    try Store(path: path)
  }

  private init(path: String) throws(StoreError) {
    let root = try Directory(path: path)
    lock = try StoreLock(in: root)
    self.path = path
    incoming = try root.makeDirectory(ResourceName(literal: "incoming"))
    try incoming.removeContents()
    datasets = BlobStore(
      path: "\(path)/datasets",
      directory: try root.makeDirectory(ResourceName(literal: "datasets")),
      incoming: incoming, permissions: 0o400)
    plugins = BlobStore(
      path: "\(path)/plugins", directory: try root.makeDirectory(ResourceName(literal: "plugins")),
      incoming: incoming, permissions: 0o500)
    models = try root.makeDirectory(ResourceName(literal: "models"))
    jobs = try root.makeDirectory(ResourceName(literal: "jobs"))
    database = try MetadataDatabase(path: "\(path)/massif.sqlite")
  }

  /// Closes the database and lets others open the store.
  ///
  /// Using the store afterwards fails.
  public func close() throws(StoreError) {
    try database.close()
    lock.release()
  }

  /// Where the versions of models are.
  var modelsPath: String { "\(path)/models" }

  /// The directory of a job, which is made if need be.
  public func jobDirectory(_ job: ResourceName) throws(StoreError) -> Directory {
    try jobs.makeDirectory(job)
  }

  /// The path of a job's directory, for its worker.
  public func jobPath(_ job: ResourceName) -> String {
    "\(path)/jobs/\(job)"
  }

  /// The jobs that have a directory.
  public func jobDirectories() throws(StoreError) -> [ResourceName] {
    try jobs.entries()
  }

  /// Removes a job's directory with all that is in it.
  public func removeJobDirectory(_ job: ResourceName) throws(StoreError) {
    try jobs.removeTree(job)
  }
}

/// Keeps a second process from opening the same store, and from emptying this one's `incoming`.
private final class StoreLock: Sendable {
  private let descriptor: Int32

  init(in root: Directory) throws(StoreError) {
    descriptor = openat(root.descriptor, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("openat", "locking the store") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let number = errno
      Glibc.close(descriptor)
      guard number == EWOULDBLOCK else {
        throw .system("flock", "locking the store", number: number)
      }
      throw StoreError(
        .failedPrecondition, "another massif server uses this store; stop it or choose another one")
    }
  }

  deinit {
    Glibc.close(descriptor)
  }

  func release() {
    flock(descriptor, LOCK_UN)
  }
}
