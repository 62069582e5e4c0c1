// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct HeaderCodingTests {
  /// RFC 4648 §10, without padding.
  @Test(
    arguments: [
      ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"),
      ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy"),
    ])
  func base64OfTheStandard(_ plain: String, _ coded: String) {
    #expect(HeaderCoding.base64(Array(plain.utf8)) == Array(coded.utf8))
    #expect(HeaderCoding.bytes(base64: Array(coded.utf8)) == Array(plain.utf8))
    let padded = coded + String(repeating: "=", count: (4 - coded.utf8.count % 4) % 4)
    #expect(HeaderCoding.bytes(base64: Array(padded.utf8)) == Array(plain.utf8))
  }

  @Test func everyByteSurvives() {
    for length in 0..<9 {
      let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 37 + 251) }
      #expect(HeaderCoding.bytes(base64: HeaderCoding.base64(bytes)) == bytes)
    }
    let all = (0...255).map { UInt8($0) }
    #expect(HeaderCoding.bytes(base64: HeaderCoding.base64(all)) == all)
  }

  @Test(arguments: [
    "A", "AAAAA", "A===", "Zg=", "Zg===", "Z=g", "Zg==Zg", "Zm 8", "Zm-8", "=", "\u{e9}",
  ])
  func whatIsNotBase64IsRefused(_ text: String) {
    #expect(HeaderCoding.bytes(base64: Array(text.utf8)) == nil)
  }

  @Test(
    arguments: [
      ("plain text!", "plain text!"), ("100 %", "100 %25"), ("\n", "%0A"), ("\u{7f}", "%7F"),
      ("\u{e9}\u{1f600}", "%C3%A9%F0%9F%98%80"), ("", ""),
    ])
  func percentCoding(_ plain: String, _ coded: String) {
    #expect(HeaderCoding.percentEncode(plain) == Array(coded.utf8))
    #expect(Array(coded.utf8).withUnsafeBytes { HeaderCoding.percentDecode($0) } == plain)
  }

  @Test(arguments: [("%", "%"), ("%2", "%2"), ("%zz", "%zz"), ("a%4", "a%4"), ("%41%", "A%")])
  func brokenEscapesStay(_ coded: String, _ plain: String) {
    #expect(Array(coded.utf8).withUnsafeBytes { HeaderCoding.percentDecode($0) } == plain)
  }
}
