// SPDX-License-Identifier: Apache-2.0
import Glibc

/// An open directory.
///
/// Everything in it is reached relative to its descriptor, one component at a time and through no
/// symbolic link, so that no name can lead out of it.
public final class Directory: Sendable {
  /// The directory's descriptor, open as long as this object lives.
  let descriptor: Int32

  /// Opens a directory by path, which is the operator's and may hold links; makes it if need be.
  ///
  /// - Throws: `.internal` when it cannot be made or opened.
  public convenience init(path: String) throws(StoreError) {
    if mkdir(path, 0o700) != 0, errno != EEXIST {
      throw .system("mkdir", "making a directory")
    }
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("open", "opening a directory") }
    self.init(descriptor: descriptor)
  }

  private init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }

  /// Opens the directory `name` in this one.
  ///
  /// - Throws: `.notFound` when there is none.
  public func directory(_ name: ResourceName) throws(StoreError) -> Directory {
    let child = openat(
      descriptor, name.description, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
    guard child >= 0 else { throw .system("openat", "opening a directory") }
    return Directory(descriptor: child)
  }

  /// Opens the directory `name` in this one; makes it, durably, if there is none.
  public func makeDirectory(_ name: ResourceName) throws(StoreError) -> Directory {
    if mkdirat(descriptor, name.description, 0o700) == 0 {
      try sync()
    } else if errno != EEXIST {
      throw .system("mkdirat", "making a directory")
    }
    return try directory(name)
  }

  /// Makes a file that was not there, open for writing.
  ///
  /// - Throws: `.alreadyExists` when it was.
  public func create(_ name: ResourceName) throws(StoreError) -> WritableFile {
    let file = openat(
      descriptor, name.description, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw .system("openat", "making a file") }
    return WritableFile(descriptor: file)
  }

  /// Maps the regular file `name` into memory, for reading.
  ///
  /// - Throws: `.notFound` when there is none, `.dataLoss` when it is no regular file.
  public func map(_ name: ResourceName) throws(StoreError) -> MappedFile {
    try MappedFile(name, in: self)
  }

  /// The length of the regular file `name`.
  ///
  /// Nil when there is none.
  public func byteCount(of name: ResourceName) throws(StoreError) -> Int? {
    var status = stat()
    guard fstatat(descriptor, name.description, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      if errno == ENOENT { return nil }
      throw .system("fstatat", "looking at a file")
    }
    return status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
  }

  /// Moves a file or directory, replacing a file of that name.
  ///
  /// Durable after both directories' `sync`.
  public func rename(
    _ name: ResourceName, to destination: Directory, as newName: ResourceName
  ) throws(StoreError) {
    guard
      renameat(descriptor, name.description, destination.descriptor, newName.description) == 0
    else { throw .system("renameat", "moving a file into place") }
  }

  /// Makes changes to this directory's entries survive a crash.
  public func sync() throws(StoreError) {
    guard fsync(descriptor) == 0 else { throw .system("fsync", "writing a directory to disk") }
  }

  /// Removes a file.
  ///
  /// Does nothing when there is none.
  public func removeFile(_ name: ResourceName) throws(StoreError) {
    guard unlinkat(descriptor, name.description, 0) == 0 || errno == ENOENT else {
      throw .system("unlinkat", "removing a file")
    }
  }

  /// Removes a file, or a directory with all that is in it.
  ///
  /// Does nothing when there is none.
  public func removeTree(_ name: ResourceName) throws(StoreError) {
    if unlinkat(descriptor, name.description, 0) == 0 || errno == ENOENT { return }
    // POSIX says EPERM for a directory, Linux says EISDIR (unlink(2)).
    guard errno == EISDIR || errno == EPERM else { throw .system("unlinkat", "removing a file") }
    try directory(name).removeContents()
    guard unlinkat(descriptor, name.description, AT_REMOVEDIR) == 0 else {
      throw .system("unlinkat", "removing a directory")
    }
  }

  /// Removes all that is in the directory, whatever it is called.
  func removeContents() throws(StoreError) {
    for entry in try entryNames() where entry != "." && entry != ".." {
      if let name = ResourceName(entry) {
        try removeTree(name)
      } else {
        unlinkat(descriptor, entry, 0)
      }
    }
  }

  /// The entries whose names follow the grammar, sorted.
  public func entries() throws(StoreError) -> [ResourceName] {
    try entryNames().compactMap { ResourceName($0) }.sorted()
  }

  private func entryNames() throws(StoreError) -> [String] {
    // `fdopendir` takes the descriptor over, and readers of one description share its offset.
    let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    guard copy >= 0, let stream = fdopendir(copy) else {
      if copy >= 0 { close(copy) }
      throw .system("fdopendir", "listing a directory")
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      names.append(name)
    }
    return names
  }
}

extension ResourceName {
  /// A name that nothing else has: a prefix and 128 random bits.
  ///
  /// - Precondition: the prefix begins a resource name and is short.
  public static func random(prefix: StaticString) -> ResourceName {
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    guard let name = ResourceName("\(prefix)\(Hexadecimal.encode(bytes))") else {
      preconditionFailure("the prefix begins a resource name")
    }
    return name
  }
}
