// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The public keys whose signatures an operator trusts.
public struct TrustedPluginKeys: Sendable, Hashable {
  /// The public bytes, by the key's id.
  private var keys: [String: [UInt8]] = [:]

  /// No key: nothing is trusted.
  public init() {}

  /// Reads Ed25519 public keys in PEM: one file, or every `*.pem` of a directory.
  ///
  /// - Throws: `.notFound` when there is no such file or directory, `.invalidArgument` for a file
  ///   that is no such key and for a directory without one: an operator's mistake shall not look
  ///   like trust in nobody.
  public init(path: String) throws(PluginError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw PluginError(.notFound, "there are no plugin keys at \(path)")
    }
    let files = status.st_mode & S_IFMT == S_IFDIR ? try Self.pemFiles(in: path) : [path]
    guard !files.isEmpty else {
      throw PluginError(.invalidArgument, "\(path) holds no file NAME.pem with a public key")
    }
    for file in files { try add(file) }
  }

  /// Adds a key of PEM text.
  ///
  /// - Throws: `.invalidArgument` for anything else.
  public mutating func add(pem: [UInt8]) throws(PluginError) {
    guard let key = Ed25519.read(pem: pem, isPrivate: false), let id = key.id,
      let bytes = key.publicBytes
    else {
      throw PluginError(.invalidArgument, "expected an Ed25519 public key in PEM")
    }
    keys[id] = bytes
  }

  /// Whether there is no key.
  public var isEmpty: Bool { keys.isEmpty }
  /// Whether the key of this id is trusted.
  public func contains(_ id: String) -> Bool { keys[id] != nil }
  /// How many keys there are.
  public var count: Int { keys.count }

  /// Checks that a trusted key has signed this manifest, and that this host has its ABI.
  ///
  /// - Throws: `.permissionDenied` for a signature that is not to be trusted, `.failedPrecondition`
  ///   for another ABI version, before anything is loaded.
  public func verify(_ signed: SignedPluginManifest) throws(PluginError) {
    guard let key = keys[signed.keyID] else {
      throw PluginError(
        .permissionDenied,
        "the plugin is signed with the key \(signed.keyID.prefix(16))…, which this server does not"
          + " trust")
    }
    guard
      Ed25519.isValid(
        signed.signature, of: Array(signed.manifest.text.utf8), publicKey: key)
    else {
      throw PluginError(
        .permissionDenied,
        "the plugin's signature is not that of its manifest by the key"
          + " \(signed.keyID.prefix(16))…")
    }
    guard let abi = PluginManifest.abi(signed.manifest.abiVersion) else {
      throw PluginError(.internal, "a manifest has an ABI version")
    }
    try PluginTable.checkVersion(major: abi.major, minor: abi.minor)
  }

  /// Checks that the image is the very build that a trusted key has signed.
  ///
  /// - Throws: as `verify(_:)` does, `.permissionDenied` for other bytes.
  public func verify(
    _ signed: SignedPluginManifest, for image: PluginImage
  ) throws(PluginError) {
    try verify(signed)
    guard image.digest == signed.manifest.digest else {
      throw PluginError(
        .permissionDenied,
        "the plugin's bytes are not those that were signed: SHA-256 \(image.digest), signed is"
          + " \(signed.manifest.digest)")
    }
  }

  private mutating func add(_ file: String) throws(PluginError) {
    guard let bytes = Self.contents(of: file) else {
      throw PluginError(.notFound, "the plugin key \(file) cannot be read")
    }
    do throws(PluginError) {
      try add(pem: bytes)
    } catch {
      throw PluginError(error.code, "\(file): \(error.message)")
    }
  }

  private static func pemFiles(in path: String) throws(PluginError) -> [String] {
    guard let directory = opendir(path) else {
      throw PluginError(.notFound, "the directory \(path) cannot be read")
    }
    defer { closedir(directory) }
    var files: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name.hasSuffix(".pem") { files.append("\(path)/\(name)") }
    }
    return files.sorted()
  }

  /// A key's file has some hundred bytes; nil for a longer one.
  private static func contents(of path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    let count = read(file, &bytes, bytes.count)
    guard count > 0, count < bytes.count else { return nil }
    return Array(bytes.prefix(count))
  }
}

extension ModelPlugin {
  /// Checks that the loaded plugin is what its signed manifest says.
  ///
  /// - Throws: `.permissionDenied` that names what differs.
  public func check(against manifest: PluginManifest) throws(PluginError) {
    let own = try PluginManifest(of: self)
    guard own == manifest else {
      throw PluginError(
        .permissionDenied,
        "the plugin calls itself \(own.name) \(own.version), ABI \(own.abiVersion); signed is"
          + " \(manifest.name) \(manifest.version), ABI \(manifest.abiVersion)")
    }
  }
}
