// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import Testing

struct PrincipalTests {
  @Test func identityIsRead() throws {
    let principal = try Principal(uriNames: ["spiffe://massif.test/team/vision/alice-1.a_b"])
    #expect(principal.trustDomain == "massif.test")
    #expect(principal.team == "vision")
    #expect(principal.name == "alice-1.a_b")
    #expect(principal.spiffeID == "spiffe://massif.test/team/vision/alice-1.a_b")
  }

  @Test func longestNamesAreRead() throws {
    let name = String(repeating: "n", count: 128)
    let principal = try Principal(trustDomain: "d", team: name, name: name)
    #expect(principal.team == name)
  }

  @Test(arguments: [
    [],
    ["spiffe://d/team/a/b", "spiffe://d/team/a/b"],
    ["spiffe://d/team/a/b", "https://elsewhere"],
    ["https://elsewhere", "spiffe://d/team/a/b"],
  ])
  func exactlyOneNameIsExpected(names: [String]) {
    let error = #expect(throws: RPCError.self) { try Principal(uriNames: names) }
    #expect(error?.code == .unauthenticated)
    #expect(error?.message.contains("\(names.count) URI names") == true)
  }

  @Test(arguments: [
    "", "spiffe:", "spiffe://", "spiffe://d", "spiffe://d/team/a", "spiffe://d/team/a/",
    "spiffe://d/team//b", "spiffe:///team/a/b", "spiffe://d/team/a/b/", "spiffe://d/team/a/b/c",
    "spiffe://d/teams/a/b", "spiffe://d/TEAM/a/b", "SPIFFE://d/team/a/b", "http://d/team/a/b",
    " spiffe://d/team/a/b", "spiffe://d/team/a/b ", "spiffe://D/team/a/b", "spiffe://d:1/team/a/b",
    "spiffe://u@d/team/a/b", "spiffe://d/team/a/b?q", "spiffe://d/team/a/b#f",
    "spiffe://d/team/a/%62", "spiffe://d/team/../b", "spiffe://d/team/a/..", "spiffe://d/team/.a/b",
    "spiffe://d/team/-a/b", "spiffe://d/team/a/b\u{0}", "spiffe://d/team/а/b",
    "spiffe://d/team/a/é", "spiffe://d/team/a\\b/c",
    "spiffe://d/team/a/\(String(repeating: "n", count: 129))",
    "spiffe://\(String(repeating: "d", count: 256))/team/a/b",
  ])
  func everythingElseIsRefused(identity: String) {
    let error = #expect(throws: RPCError.self) { try Principal(spiffeID: identity) }
    #expect(error?.code == .unauthenticated)
  }
}
