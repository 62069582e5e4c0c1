// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Serving

@Suite struct VersionSelectionTests {
  @Test(arguments: [
    ("", VersionRequest.unspecified), ("1", .number(1)), ("12", .number(12)),
    ("0", .alias("0")), ("-1", .alias("-1")), ("+1", .alias("+1")), ("canary", .alias("canary")),
    ("9223372036854775808", .alias("9223372036854775808")),
  ])
  func textIsRead(text: String, expected: VersionRequest) {
    #expect(VersionRequest(text) == expected)
  }

  @Test func theAliasComesBeforeTheNewest() {
    let ready: [Int64: Bool] = [1: true, 2: true, 3: false]
    #expect(VersionRequest.unspecified.version(in: ready, aliases: ["production": 1]) == 1)
    #expect(VersionRequest.unspecified.version(in: ready, aliases: ["canary": 1]) == 2)
    #expect(VersionRequest.unspecified.version(in: ready, aliases: ["production": 3]) == 2)
    #expect(VersionRequest.unspecified.version(in: ready, aliases: ["production": 9]) == 2)
    #expect(VersionRequest.unspecified.version(in: [3: false], aliases: [:]) == 3)
    #expect(VersionRequest.unspecified.version(in: [:], aliases: ["production": 1]) == nil)
  }

  @Test func namedVersions() {
    let ready: [Int64: Bool] = [1: true, 3: false]
    #expect(VersionRequest.number(3).version(in: ready, aliases: [:]) == 3)
    #expect(VersionRequest.number(2).version(in: ready, aliases: [:]) == nil)
    #expect(VersionRequest.alias("canary").version(in: ready, aliases: ["canary": 1]) == 1)
    #expect(VersionRequest.alias("canary").version(in: ready, aliases: ["canary": 2]) == nil)
    #expect(VersionRequest.alias("x").version(in: ready, aliases: [:]) == nil)
  }
}
