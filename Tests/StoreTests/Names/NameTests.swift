// SPDX-License-Identifier: Apache-2.0
import Store
import Testing

@Suite struct NameTests {
  @Test(arguments: ["a", "Z9", "0", "a.b_c-d", "v1.2.3", "weights.safetensors", "a..b"])
  func acceptsTheGrammar(_ text: String) {
    #expect(ResourceName(text)?.description == text)
  }

  @Test(arguments: [
    "", ".", "..", "...", ".hidden", "-flag", "_x", "/", "a/b", "/etc/passwd", "..\\x", "a\\b",
    "%2e%2e", "a%2fb", "a\0", "\0", "a b", " a", "a\n", "a:b", "~", "é", "ａ", "mоdel",
    "a\u{200b}", "a\u{0301}", "C:", "a*",
  ])
  func refusesEverythingElse(_ text: String) {
    #expect(ResourceName(text) == nil)
  }

  @Test func limitsTheLength() {
    #expect(ResourceName(String(repeating: "a", count: 128)) != nil)
    #expect(ResourceName(String(repeating: "a", count: 129)) == nil)
  }

  @Test func qualifiesWithTheCallersTeam() throws {
    let team = try #require(ResourceName("vision"))
    #expect(try QualifiedName(parsing: "mnist", defaultTeam: team).description == "vision/mnist")
    #expect(try QualifiedName(parsing: "nlp/mnist", defaultTeam: team).description == "nlp/mnist")
    #expect(throws: StoreError.self) { try QualifiedName(parsing: "mnist", defaultTeam: nil) }
  }

  @Test(arguments: ["", "/", "a/", "/a", "a/b/c", "../a", "a/..", "./a", "a//b", "a/b\0", "а/b"])
  func refusesWhatIsNoQualifiedName(_ text: String) throws {
    let team = try #require(ResourceName("vision"))
    let error = #expect(throws: StoreError.self) {
      try QualifiedName(parsing: text, defaultTeam: team)
    }
    #expect(error?.code == .invalidArgument)
  }

  @Test func quotesAHostileNameHarmlessly() throws {
    let hostile = "x\n\u{1b}[31m" + String(repeating: "y", count: 10_000)
    let error = #expect(throws: StoreError.self) {
      try QualifiedName(parsing: hostile, defaultTeam: nil)
    }
    let message = try #require(error?.message)
    #expect(message.utf8.count < 400)
    #expect(message.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
  }

  @Test func parsesDigests() {
    let text = String(repeating: "0123456789abcdef", count: 4)
    #expect(Digest(hexadecimal: text)?.hexadecimal == text)
    #expect(Digest(hexadecimal: text.uppercased()) == nil)
    #expect(Digest(hexadecimal: String(text.dropLast())) == nil)
    #expect(Digest(hexadecimal: "../" + text.dropFirst(3)) == nil)
    #expect(Digest(bytes: [UInt8](repeating: 0xa5, count: 32))?.hexadecimal.prefix(4) == "a5a5")
    #expect(Digest(bytes: [1, 2, 3]) == nil)
  }
}
