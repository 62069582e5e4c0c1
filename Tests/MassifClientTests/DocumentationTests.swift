// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The program in docs/client.md is the one that the build compiles.
struct DocumentationTests {
  @Test func thePageShowsTheProgramThatIsBuilt() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "docs/client.md"), encoding: .utf8)
    let program = try String(
      contentsOf: root.appending(path: "Examples/Clients/swift/main.swift"), encoding: .utf8)
    let lines = program.split(separator: "\n", omittingEmptySubsequences: false).dropFirst()
    #expect(page.contains("```swift\n" + lines.joined(separator: "\n") + "```"))
  }
}
