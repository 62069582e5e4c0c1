// SPDX-License-Identifier: Apache-2.0
import Logging
import ModelPlugins
import RPCServer
import RPCTransport
import Store

/// Decides whose plugins are loaded, and loads them, so that what was checked is what runs.
///
/// A plugin needs the signature of a trusted key. Without one it is loaded where the operator allows
/// that for development, with a warning each time.
struct PluginAdmission: Sendable {
  let trustedKeys: TrustedPluginKeys
  let allowsUnsigned: Bool
  let plugins: PluginRegistry
  let log: Logger

  /// Checks a signed manifest before a byte of the plugin is there.
  ///
  /// - Parameter text: the manifest's text form; empty for none.
  /// - Returns: nil for a plugin that is to be taken unsigned.
  /// - Throws: `.permissionDenied` for a signature that is not to be trusted, `.failedPrecondition`
  ///   without one.
  func check(
    manifest text: some Collection<UInt8>, digest: Digest
  ) throws -> SignedPluginManifest? {
    guard !text.isEmpty else {
      guard allowsUnsigned else { throw Self.unsigned }
      return nil
    }
    let signed = try SignedPluginManifest(parsing: text)
    guard signed.manifest.digest == digest.hexadecimal else {
      throw PluginError(
        .permissionDenied,
        "the plugin's bytes are not those that were signed: SHA-256 \(digest), signed is"
          + " \(signed.manifest.digest)")
    }
    // Who develops may have a signature that this server's operator does not know.
    if allowsUnsigned, !trustedKeys.contains(signed.keyID) { return nil }
    try trustedKeys.verify(signed)
    return signed
  }

  /// Loads a plugin from its file, which may be anybody's until the copy is sealed and checked.
  ///
  /// - Parameters:
  ///   - digest: what the file's bytes must have.
  ///   - signed: from `check`.
  /// - Throws: `.dataLoss` for other bytes, and as `PluginRegistry.load` does.
  func load(
    path: String, digest: Digest, signed: SignedPluginManifest?, isolation: PluginIsolation
  ) throws -> ModelPlugin {
    try load(
      PluginImage(path: path), digest: digest, signed: signed, isolation: isolation)
  }

  /// Loads a plugin whose bytes nobody can change any more.
  ///
  /// - Throws: as the function above does.
  func load(
    _ image: PluginImage, digest: Digest, signed: SignedPluginManifest?,
    isolation: PluginIsolation
  ) throws -> ModelPlugin {
    guard image.digest == digest.hexadecimal else {
      throw PluginError(
        .dataLoss, "the plugin's file is damaged: SHA-256 \(image.digest), expected \(digest)")
    }
    if let signed {
      try trustedKeys.verify(signed, for: image)
    } else {
      guard allowsUnsigned else { throw Self.unsigned }
      log.warning(
        "UNSIGNED plugin \(digest) is loaded because this server is for development",
        metadata: ["audit": "plugin.unsigned"])
    }
    let wasLoaded = plugins.plugin(digest: image.digest) != nil
    let plugin = try plugins.load(image, isolation: isolation)
    do {
      if let signed { try plugin.check(against: signed.manifest) }
      return plugin
    } catch {
      if !wasLoaded { plugins.retire(digest: plugin.digest) }
      throw error
    }
  }

  private static let unsigned = RPCError(
    .failedPrecondition,
    "this server loads no plugin that is not signed with a key that its operator trusts"
      + " (--plugin-keys); sign it with `massif plugins sign`, or serve with"
      + " --allow-unsigned-plugins for development: a plugin runs with the server's rights")
}
