// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import Logging
import ModelPlugins
import Store

/// Registers what an operator has put into a directory, when a server starts: `NAME.so` with its
/// signed manifest `NAME.so.manifest`, in process; the same in the folder `isolated`, isolated.
///
/// A file is copied into the store, as a registration is, so that jobs and models find it there
/// also when the directory changes. Links are not followed.
struct PluginDiscovery {
  let store: Store
  let admission: PluginAdmission
  let maxByteCount: Int
  let now: @Sendable () -> Date
  let log: Logger

  /// Who registered what was found.
  private static let operatorName = "operator: plugin directory"

  /// Takes in what is new in the directory; what is refused is in the log.
  ///
  /// - Throws: `.notFound` when there is no such directory.
  func run(directory path: String) throws {
    let directory = try Self.open(path)
    defer { close(directory) }
    try register(in: directory, isolation: .inProcess)
    let isolated = openat(directory, "isolated", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard isolated >= 0 else { return }
    defer { close(isolated) }
    try register(in: isolated, isolation: .isolated)
  }

  private func register(in directory: Int32, isolation: PluginIsolation) throws {
    for name in Self.libraries(in: directory) {
      do {
        try register(name, in: directory, isolation)
      } catch {
        log.error(
          "plugin \(name) of the plugin directory is not loaded: \(error)",
          metadata: ["audit": "plugin.refused"])
      }
    }
  }

  private func register(
    _ name: String, in directory: Int32, _ isolation: PluginIsolation
  ) throws {
    let file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else {
      throw PluginError(
        errno == ELOOP ? .invalidArgument : .notFound,
        errno == ELOOP ? "it is a symbolic link" : "it cannot be opened (errno \(errno))")
    }
    defer { close(file) }
    let image = try PluginImage(copying: file)
    guard image.byteCount <= maxByteCount, let digest = Digest(hexadecimal: image.digest) else {
      throw PluginError(
        .resourceExhausted, "expected at most \(maxByteCount) bytes, came \(image.byteCount)")
    }
    guard try store.pluginRecords().allSatisfy({ $0.digest != digest }) else { return }
    let signed = try admission.check(
      manifest: Self.manifest("\(name).\(SignedPluginManifest.fileExtension)", in: directory),
      digest: digest)
    let plugin = try admission.load(image, digest: digest, signed: signed, isolation: isolation)
    if try !store.plugins.contains(digest) {
      let writer = try store.plugins.makeWriter(expecting: digest, byteCount: image.byteCount)
      try image.withBytes { try writer.append($0) }
      try writer.verify()
      try writer.commit()
    }
    _ = try store.insert(
      PluginRecord(
        name: VersionPublisher.name(of: plugin), version: plugin.version, digest: digest,
        byteCount: image.byteCount, isolation: isolation.rawValue, signedManifest: signed?.text,
        audit: AuditRecord(created: now(), createdBy: Self.operatorName)))
    log.notice(
      "plugin \(plugin.name) \(plugin.version) registered from the plugin directory",
      metadata: [
        "audit": "plugin.registered", "digest": "\(digest)",
        "isolation": "\(isolation.rawValue)", "key": "\(signed?.keyID ?? "none")",
      ])
  }

  private static func open(_ path: String) throws(PluginError) -> Int32 {
    let directory = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else {
      throw PluginError(.notFound, "the plugin directory \(path) cannot be opened")
    }
    return directory
  }

  /// The names of the libraries, sorted, so that of two builds of a name always the same is newest.
  private static func libraries(in directory: Int32) -> [String] {
    let copy = dup(directory)
    guard copy >= 0, let stream = fdopendir(copy) else { return [] }
    defer { closedir(stream) }
    rewinddir(stream)
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name.hasSuffix(".so") { names.append(name) }
    }
    return names.sorted()
  }

  /// The bytes of a signed manifest; empty when there is none, for the admission to judge.
  private static func manifest(_ name: String, in directory: Int32) -> [UInt8] {
    let file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { return [] }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: SignedPluginManifest.maxByteCount + 1)
    let count = read(file, &bytes, bytes.count)
    return Array(bytes.prefix(max(count, 0)))
  }
}
