// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import RPCServer
import SwiftProtobuf
import Testing

@testable import Lifecycle

@Suite struct PagingTests {
  private func page(
    size: Int32, _ texts: [String]
  ) throws -> (items: [Massif_V1_Metric], nextToken: String) {
    try Paging(.with { $0.pageSize = size }).page(
      texts, item: { text in .with { $0.name = text } }, token: { "after \($0.prefix(1))" })
  }

  @Test func cutsToTheSize() throws {
    #expect(try page(size: 2, ["a", "b"]).nextToken.isEmpty)
    let cut = try page(size: 2, ["a", "b", "c"])
    #expect(cut.items.map(\.name) == ["a", "b"])
    #expect(cut.nextToken == "after b")
    #expect(try page(size: 2, []).items.isEmpty)
  }

  @Test func cutsToWhatClientsTake() throws {
    let long = { (letter: String) in String(repeating: letter, count: 2 << 20) }
    let cut = try page(size: 10, [long("a"), long("b"), long("c")])
    #expect(cut.items.count == 1)
    #expect(cut.nextToken == "after a")
    // One always fits, or a list would never go on.
    let whole = try page(size: 10, [String(repeating: "a", count: 4 << 20)])
    #expect(whole.items.count == 1)
    #expect(whole.nextToken.isEmpty)
  }

  @Test func hasADefault() throws {
    #expect(try Paging(.init()).size == 100)
    #expect(throws: RPCError.self) { try Paging(.with { $0.pageSize = 1001 }) }
  }
}
