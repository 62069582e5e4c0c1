// SPDX-License-Identifier: Apache-2.0

/// What a signature vouches for: one build of one plugin.
///
/// There is one way to write a manifest as bytes, and only that way is read:
///
/// ```
/// massif-plugin-manifest-1
/// name=identity
/// version=1.0.0
/// abi=1.0
/// sha256=9f86d081…
/// ```
public struct PluginManifest: Sendable, Hashable {
  /// The name that the plugin gives itself.
  public let name: String
  /// The plugin's own version.
  public let version: String
  /// The version of the plugin ABI that it was built with, for example `1.0`.
  public let abiVersion: String
  /// SHA-256 of the shared object, in hexadecimal.
  public let digest: String

  /// The first line also keeps the signature from meaning anything else.
  private static let header = "massif-plugin-manifest-1"
  private static let keys = ["name", "version", "abi", "sha256"]

  /// Makes a manifest.
  ///
  /// - Throws: `.invalidArgument` for a value that a manifest cannot hold.
  public init(
    name: String, version: String, abiVersion: String, digest: String
  ) throws(PluginError) {
    guard PluginName.isValid(name) else {
      throw PluginError(field: "manifest.name", "expected a plugin's name")
    }
    guard (1...64).contains(version.utf8.count),
      version.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else {
      throw PluginError(
        field: "manifest.version", "expected 1 to 64 printable ASCII characters")
    }
    guard Self.abi(abiVersion) != nil else {
      throw PluginError(
        field: "manifest.abi", "expected a version such as 1.0, came \(abiVersion.prefix(16))")
    }
    guard digest.utf8.count == 64,
      digest.utf8.allSatisfy({
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      })
    else {
      throw PluginError(field: "manifest.sha256", "expected 64 lowercase hexadecimal digits")
    }
    self.name = name
    self.version = version
    self.abiVersion = abiVersion
    self.digest = digest
  }

  /// The manifest of a build that has been loaded.
  public init(of plugin: ModelPlugin) throws(PluginError) {
    try self.init(
      name: plugin.name, version: plugin.version, abiVersion: plugin.abiVersion,
      digest: plugin.digest)
  }

  /// Reads the one form of a manifest.
  ///
  /// - Throws: `.invalidArgument` for any other bytes.
  init(parsing text: String) throws(PluginError) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == Self.keys.count + 2, lines.first == Self.header[...], lines.last == ""
    else {
      throw PluginError(
        field: "manifest", "expected the \(Self.keys.count + 1) lines of a \(Self.header)")
    }
    var values: [String] = []
    for (line, key) in zip(lines.dropFirst(), Self.keys) {
      guard line.hasPrefix(key + "=") else {
        throw PluginError(field: "manifest", "expected the line \(key)=…")
      }
      values.append(String(line.dropFirst(key.count + 1)))
    }
    try self.init(name: values[0], version: values[1], abiVersion: values[2], digest: values[3])
    guard self.text == text else {
      throw PluginError(field: "manifest", "expected the canonical form")
    }
  }

  /// The one form, whose bytes are signed.
  public var text: String {
    let values = [name, version, abiVersion, digest]
    return zip(Self.keys, values).reduce(Self.header + "\n") { $0 + "\($1.0)=\($1.1)\n" }
  }

  /// The ABI version as numbers; nil when it is none, or not in its one form.
  static func abi(_ text: String) -> (major: UInt16, minor: UInt16)? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, let major = UInt16(parts[0]), let minor = UInt16(parts[1]),
      "\(major).\(minor)" == text
    else { return nil }
    return (major, minor)
  }
}
