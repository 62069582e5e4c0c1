// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ModelPlugins

struct JSONValueTests {
  private func parse(_ text: String) throws -> JSONValue {
    try JSONValue(parsing: text, name: "configuration")
  }

  @Test func values() throws {
    #expect(try parse(" null ") == .null)
    #expect(try parse("[true,false]") == .array([.bool(true), .bool(false)]))
    #expect(try parse("-1.5e+2") == .number(-150, text: "-1.5e+2"))
    #expect(try parse("0") == .number(0, text: "0"))
    #expect(try parse("-0.5") == .number(-0.5, text: "-0.5"))
    #expect(try parse("[ ]") == .array([]))
    #expect(try parse("{ }") == .object([]))
    #expect(
      try parse(#"{"a":{"b":[1]}}"#)
        == .object([
          .init(
            key: "a",
            value: .object([.init(key: "b", value: .array([.number(1, text: "1")]))]))
        ]))
  }

  @Test func strings() throws {
    #expect(try parse(#""\"\\\/\b\f\n\r\t""#) == .string("\"\\/\u{8}\u{C}\n\r\t"))
    #expect(try parse(#""\u00e9\ud83d\ude00""#) == .string("é😀"))
    #expect(try parse("\"é😀\"") == .string("é😀"))
  }

  @Test(
    "What is not JSON is refused with the place",
    arguments: [
      ("", 0), ("{", 1), ("[1,]", 3), ("{\"a\":1,}", 7), ("{\"a\" 1}", 5), ("tru", 0), ("01", 2),
      ("1.", 2), (".5", 0), ("+1", 0), ("-", 0), ("1e", 2), ("1e999", 5), ("\"a", 2), ("1 2", 2),
      ("\"\\x\"", 3), ("\"\\u12\"", 3), ("\"\\u+041\"", 3), ("\"\\u-000\"", 3),
      ("\"\\ud800\"", 7), ("\"\\udc00\"", 7), ("NaN", 0),
      ("\"\n\"", 2), ("{a:1}", 1), ("'a'", 0),
    ])
  func malformed(text: String, offset: Int) {
    let error = failure { _ = try parse(text) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("at byte \(offset)") == true, "\(error?.message ?? "none")")
  }

  @Test func duplicateKeys() {
    let error = failure { _ = try parse(#"{"a":1,"b":2,"a":3}"#) }
    #expect(error?.message.contains("a second \"a\"") == true)
  }

  @Test func depth() throws {
    let deepest = String(repeating: "[", count: 15) + "1" + String(repeating: "]", count: 15)
    _ = try parse(deepest)
    for opening in ["[", "{\"a\":"] {
      let error = failure { _ = try parse(String(repeating: opening, count: 100_000)) }
      #expect(error?.message.contains("levels of nesting") == true)
    }
  }

  @Test("No prefix of a configuration and no changed byte of it ends the process")
  func mutations() {
    let bytes = Array(TestNetworks.everyLayer.utf8)
    for count in 0..<bytes.count {
      #expect(
        failure { _ = try parse(String(decoding: bytes[..<count], as: UTF8.self)) } != nil)
    }
    for index in stride(from: 0, to: bytes.count, by: 3) {
      for byte in [UInt8(ascii: "\""), UInt8(ascii: "{"), UInt8(ascii: "9"), 0, 0xFF] {
        var changed = bytes
        changed[index] = byte
        let text = String(decoding: changed, as: UTF8.self)
        // Either it still is a configuration or there is an error with a message.
        if let error = failure({ _ = try NetworkConfiguration(parsing: text) }) {
          #expect(error.code == .invalidArgument)
          #expect(!error.violations.isEmpty)
        }
      }
    }
  }
}
