// SPDX-License-Identifier: Apache-2.0
import COpenSSL

/// Ed25519 (RFC 8032) with OpenSSL: keys as PEM, one-shot signatures.
enum Ed25519 {
  static let signatureByteCount = 64
  private static let keyByteCount = 32

  /// An OpenSSL key, freed with the object; used by one thread at a time.
  final class Key {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) {
      self.pointer = pointer
    }

    deinit {
      EVP_PKEY_free(pointer)
    }

    var isEd25519: Bool { EVP_PKEY_get_id(pointer) == EVP_PKEY_ED25519 }

    /// The 32 bytes of the public key.
    var publicBytes: [UInt8]? {
      var bytes = [UInt8](repeating: 0, count: Ed25519.keyByteCount)
      var count = bytes.count
      guard EVP_PKEY_get_raw_public_key(pointer, &bytes, &count) == 1, count == bytes.count else {
        return nil
      }
      return bytes
    }

    /// SHA-256 of the DER of the public key, as
    /// `openssl pkey -pubin -outform DER | sha256sum` prints it.
    var id: String? {
      var der: UnsafeMutablePointer<UInt8>?
      let count = i2d_PUBKEY(pointer, &der)
      defer { CRYPTO_free(der, "", 0) }
      guard count > 0, let der else { return nil }
      var digest = [UInt8](repeating: 0, count: 32)
      guard EVP_Digest(der, Int(count), &digest, nil, EVP_sha256(), nil) == 1 else { return nil }
      return Hexadecimal.text(digest)
    }
  }

  /// Makes a key pair.
  static func generate() -> Key? {
    guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil) else { return nil }
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &key) == 1 else {
      return nil
    }
    return key.map(Key.init)
  }

  /// Whether `signature` is that of `message` by the key with these 32 public bytes.
  static func isValid(
    _ signature: [UInt8], of message: [UInt8], publicKey: [UInt8]
  ) -> Bool {
    guard signature.count == signatureByteCount,
      let pointer = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, publicKey, publicKey.count),
      let context = EVP_MD_CTX_new()
    else { return false }
    let key = Key(pointer)
    defer { EVP_MD_CTX_free(context) }
    return EVP_DigestVerifyInit(context, nil, nil, nil, key.pointer) == 1
      && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
  }

  /// The signature of `message`; nil when OpenSSL fails.
  static func sign(_ message: [UInt8], with key: Key) -> [UInt8]? {
    guard let context = EVP_MD_CTX_new() else { return nil }
    defer { EVP_MD_CTX_free(context) }
    var signature = [UInt8](repeating: 0, count: signatureByteCount)
    var count = signature.count
    guard EVP_DigestSignInit(context, nil, nil, nil, key.pointer) == 1,
      EVP_DigestSign(context, &signature, &count, message, message.count) == 1,
      count == signatureByteCount
    else { return nil }
    return signature
  }

  /// Reads a key of PEM text; nil for anything else, a key with a passphrase included.
  static func read(pem: [UInt8], isPrivate: Bool) -> Key? {
    guard let bio = BIO_new_mem_buf(pem, Int32(clamping: pem.count)) else { return nil }
    defer { BIO_free(bio) }
    // OpenSSL would ask for a passphrase on the terminal.
    let noPassphrase:
      @convention(c) (
        UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?
      ) -> Int32 = { _, _, _, _ in -1 }
    let pointer =
      isPrivate
      ? PEM_read_bio_PrivateKey(bio, nil, noPassphrase, nil)
      : PEM_read_bio_PUBKEY(bio, nil, noPassphrase, nil)
    ERR_clear_error()
    guard let pointer else { return nil }
    let key = Key(pointer)
    return key.isEd25519 ? key : nil
  }

  /// The key as PEM text.
  static func pem(_ key: Key, isPrivate: Bool) -> String? {
    guard let bio = BIO_new(BIO_s_mem()) else { return nil }
    defer { BIO_free(bio) }
    let isWritten =
      isPrivate
      ? PEM_write_bio_PrivateKey(bio, key.pointer, nil, nil, 0, nil, nil)
      : PEM_write_bio_PUBKEY(bio, key.pointer)
    var contents: UnsafeMutablePointer<CChar>?
    let count = co_bio_contents(bio, &contents)
    guard isWritten == 1, count > 0, let contents else { return nil }
    return String(
      decoding: UnsafeRawBufferPointer(start: contents, count: count), as: UTF8.self)
  }
}
