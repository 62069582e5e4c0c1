// SPDX-License-Identifier: Apache-2.0
@testable import RPCTransport

extension FuzzEntry {
  /// Base64 and percent-encoding in headers: decoding undoes encoding, and encoded text is legal in
  /// a header.
  ///
  /// Input: the bytes, taken both as encoded and as to be encoded.
  static let headerCoding = FuzzEntry("header-coding", maxByteCount: 512) { bytes in
    let encoded = HeaderCoding.base64(Array(bytes))
    try require(HeaderCoding.bytes(base64: encoded) == Array(bytes), "base64 \(encoded)")
    if let decoded = HeaderCoding.bytes(base64: bytes) {
      try require(
        HeaderCoding.bytes(base64: HeaderCoding.base64(decoded)) == decoded,
        "base64 of \(decoded)")
    }
    let text = HeaderCoding.percentDecode(bytes)
    let escaped = HeaderCoding.percentEncode(text)
    try require(escaped.allSatisfy { (0x20...0x7e).contains($0) }, "percent-encoded \(escaped)")
    let back = escaped.withUnsafeBytes { HeaderCoding.percentDecode($0) }
    // Byte by byte: Swift's == holds texts equal that Unicode does.
    try require(back.utf8.elementsEqual(text.utf8), "'\(text)' came back as '\(back)'")
    var metadata = Metadata()
    do {
      try metadata.append(text, for: "x-text")
      try require(metadata["x-text"] == text, "metadata keeps another text")
    } catch is TransportError {
      try require(!text.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "'\(text)' is refused")
    }
  }
}
