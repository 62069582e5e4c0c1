// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A directory of files that appears under its final name all at once, or never.
///
/// One that goes without `commit` takes its files with it. Used by one task at a time.
public final class StagedDirectory: Sendable {
  private let parent: Directory
  private let name: ResourceName
  private let directory: Directory

  /// Makes an empty directory in `parent`, which must be on the file system of the destination.
  public convenience init(in parent: Directory) throws(StoreError) {
    let name = ResourceName.random(prefix: Self.prefix)
    _ = try parent.makeDirectory(name)
    try self.init(adopting: name, in: parent)
  }

  /// Takes over a directory that has its files already.
  public init(adopting name: ResourceName, in parent: Directory) throws(StoreError) {
    self.parent = parent
    self.name = name
    self.directory = try parent.directory(name)
  }

  deinit {
    // A committed directory has been renamed, so that this finds nothing.
    try? parent.removeTree(name)
  }

  /// How the names of unfinished directories begin.
  private static let prefix: StaticString = "unfinished-"

  /// Removes what an earlier process left unfinished in `parent`.
  public static func sweep(_ parent: Directory) throws(StoreError) {
    for entry in try parent.entries() where entry.description.hasPrefix("\(prefix)") {
      try parent.removeTree(entry)
    }
  }

  /// Adds bytes at the end of the file `name`, which the first call makes.
  public func append(
    _ bytes: UnsafeRawBufferPointer, to name: ResourceName
  ) throws(StoreError) {
    let file = openat(
      directory.descriptor, name.description,
      O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw .system("openat", "making a file") }
    try WritableFile(descriptor: file).write(bytes)
  }

  /// The files so far, sorted by name, with their digests.
  ///
  /// Reads all of them.
  public func artifacts() throws(StoreError) -> [ArtifactRecord] {
    var artifacts: [ArtifactRecord] = []
    for name in try directory.entries() {
      let file = try directory.map(name)
      artifacts.append(
        ArtifactRecord(
          name: name, digest: try SHA256.digest(of: file), byteCount: file.count))
    }
    return artifacts
  }

  /// Maps one of the files.
  public func map(_ name: ResourceName) throws(StoreError) -> MappedFile {
    try directory.map(name)
  }

  /// Puts the files on disk and gives the directory its name.
  ///
  /// Blocks until the disk has it all.
  ///
  /// - Throws: `.alreadyExists` when the destination has a directory of that name that is not empty.
  public func commit(to destination: Directory, as finalName: ResourceName) throws(StoreError) {
    try seal()
    try move(to: destination, as: finalName)
  }

  /// Puts the files on disk, for reading only from now on.
  ///
  /// The slow half of `commit`.
  func seal() throws(StoreError) {
    for entry in try directory.entries() {
      let file = openat(
        directory.descriptor, entry.description, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0)
      guard file >= 0 else { throw .system("openat", "opening a file") }
      let opened = WritableFile(descriptor: file)
      try opened.setPermissions(0o400)
      try opened.sync()
    }
    try directory.sync()
  }

  /// Gives the directory its name.
  ///
  /// The quick half of `commit`.
  func move(to destination: Directory, as finalName: ResourceName) throws(StoreError) {
    try parent.rename(name, to: destination, as: finalName)
    try destination.sync()
  }
}
