// SPDX-License-Identifier: Apache-2.0

/// A private key that signs plugins; belongs on the machine that builds them.
public final class PluginSigningKey {
  private let key: Ed25519.Key
  /// SHA-256 of the DER of the public key, in hexadecimal.
  public let id: String

  /// Makes a new key.
  ///
  /// - Throws: `.internal` when OpenSSL fails.
  public static func generate() throws(PluginError) -> PluginSigningKey {
    guard let key = Ed25519.generate() else {
      throw PluginError(.internal, "OpenSSL could not make an Ed25519 key")
    }
    return try PluginSigningKey(key)
  }

  /// Reads a key of PEM text (PKCS #8).
  ///
  /// - Throws: `.invalidArgument` for anything else.
  public convenience init(pem: [UInt8]) throws(PluginError) {
    guard let key = Ed25519.read(pem: pem, isPrivate: true) else {
      throw PluginError(.invalidArgument, "expected an Ed25519 private key without a passphrase")
    }
    try self.init(key)
  }

  private init(_ key: Ed25519.Key) throws(PluginError) {
    guard let id = key.id else { throw PluginError(.internal, "OpenSSL could not write the key") }
    self.key = key
    self.id = id
  }

  /// The private key as PEM text, for a file that its owner alone can read.
  public func privatePEM() throws(PluginError) -> String {
    guard let text = Ed25519.pem(key, isPrivate: true) else {
      throw PluginError(.internal, "OpenSSL could not write the key")
    }
    return text
  }

  /// The public key as PEM text, for the servers that shall trust it.
  public func publicPEM() throws(PluginError) -> String {
    guard let text = Ed25519.pem(key, isPrivate: false) else {
      throw PluginError(.internal, "OpenSSL could not write the key")
    }
    return text
  }

  /// Signs a manifest.
  public func sign(_ manifest: PluginManifest) throws(PluginError) -> SignedPluginManifest {
    guard let signature = Ed25519.sign(Array(manifest.text.utf8), with: key) else {
      throw PluginError(.internal, "OpenSSL could not sign")
    }
    return SignedPluginManifest(manifest: manifest, keyID: id, signature: signature)
  }
}
