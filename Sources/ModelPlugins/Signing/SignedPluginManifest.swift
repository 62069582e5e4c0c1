// SPDX-License-Identifier: Apache-2.0

/// A manifest with its Ed25519 signature.
///
/// `massif plugins sign` writes it beside the library and registration carries it: the manifest's
/// lines, then
///
/// ```
/// key=<SHA-256 of the public key>
/// signature=<64 bytes in hexadecimal>
/// ```
public struct SignedPluginManifest: Sendable, Hashable {
  /// What is signed.
  public let manifest: PluginManifest
  /// Whose signature it is: SHA-256 of the DER of the public key, in hexadecimal.
  ///
  /// Only a hint for the message when that key is not trusted: the signature decides.
  public let keyID: String
  let signature: [UInt8]

  /// Larger than any; checked before a byte is read.
  public static let maxByteCount = 1024
  /// What the file beside `libmine.so` is called: `libmine.so.manifest`.
  public static let fileExtension = "manifest"

  init(manifest: PluginManifest, keyID: String, signature: [UInt8]) {
    self.manifest = manifest
    self.keyID = keyID
    self.signature = signature
  }

  /// Reads the text form.
  ///
  /// - Throws: `.invalidArgument` that says what is wrong with it.
  public init(parsing bytes: some Collection<UInt8>) throws(PluginError) {
    guard bytes.count <= Self.maxByteCount else {
      throw PluginError(
        field: "manifest", "expected at most \(Self.maxByteCount) bytes, came \(bytes.count)")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw PluginError(field: "manifest", "expected UTF-8")
    }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 3, lines.removeLast() == "",
      let signature = lines.removeLast().value(of: "signature"),
      let key = lines.removeLast().value(of: "key")
    else {
      throw PluginError(field: "manifest", "expected the lines key=… and signature=… at its end")
    }
    guard let bytes = Hexadecimal.bytes(signature), bytes.count == Ed25519.signatureByteCount,
      let keyBytes = Hexadecimal.bytes(key), keyBytes.count == 32
    else {
      throw PluginError(
        field: "manifest",
        "expected a key of 64 and a signature of 128 lowercase hexadecimal digits")
    }
    manifest = try PluginManifest(parsing: lines.joined(separator: "\n") + "\n")
    keyID = String(key)
    self.signature = bytes
  }

  /// The text form.
  public var text: String {
    "\(manifest.text)key=\(keyID)\nsignature=\(Hexadecimal.text(signature))\n"
  }
}

extension Substring {
  /// What follows `key=`; nil for another line.
  fileprivate func value(of key: String) -> Substring? {
    hasPrefix(key + "=") ? dropFirst(key.count + 1) : nil
  }
}

/// Bytes as people and files write digests.
enum Hexadecimal {
  /// Two lowercase digits a byte.
  static func text(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// The bytes of lowercase digits; nil for anything else.
  static func bytes(_ text: some StringProtocol) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    func value(_ digit: UInt8) -> UInt8? {
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
      default: nil
      }
    }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }
}
