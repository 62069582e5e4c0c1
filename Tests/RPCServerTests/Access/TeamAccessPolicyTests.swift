// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import Testing

struct TeamAccessPolicyTests {
  let policy = TeamAccessPolicy(trustDomain: "massif.test", administratorTeams: ["admin"])
  let method: MethodName = "/p.S/M"

  static func principal(_ team: String, in domain: String = "massif.test") throws -> Principal {
    try Principal(trustDomain: domain, team: team, name: "n")
  }

  @Test(arguments: [Permission.identify, .read, .infer, .write])
  func teamHasTheRunOfItsOwn(permission: Permission) throws {
    let alice = try Self.principal("vision")
    let own = Resource(kind: "model", team: "vision", name: "m")
    #expect(policy.authorize(alice, method: method, requires: permission) == .allow)
    #expect(policy.authorize(alice, permission, on: own) == .allow)
  }

  @Test(arguments: [Permission.identify, .read, .infer, .write, .administer, Permission("x")])
  func otherTeamsAreConcealed(permission: Permission) throws {
    let mallory = try Self.principal("speech")
    let other = Resource(kind: "model", team: "vision", name: "m")
    #expect(policy.authorize(mallory, permission, on: other) == .conceal)
  }

  @Test(arguments: [Permission.administer, Permission("unheard of")])
  func whatIsNotListedIsDenied(permission: Permission) throws {
    let alice = try Self.principal("vision")
    let own = Resource(kind: "model", team: "vision", name: "m")
    #expect(policy.authorize(alice, method: method, requires: permission) == .deny)
    #expect(policy.authorize(alice, permission, on: own) == .deny)
  }

  @Test func serverIsReadByAllAndChangedByAdministrators() throws {
    let plugin = Resource(kind: "plugin", team: nil, name: "p")
    let alice = try Self.principal("vision")
    #expect(policy.authorize(alice, .read, on: plugin) == .allow)
    for permission in [Permission.write, .infer, .administer] {
      #expect(policy.authorize(alice, permission, on: plugin) == .deny)
      #expect(policy.authorize(try Self.principal("admin"), permission, on: plugin) == .allow)
    }
  }

  @Test(arguments: [Permission.identify, .read, .infer, .write, .administer])
  func sameTeamOfAnotherTrustDomainIsAStranger(permission: Permission) throws {
    for team in ["vision", "admin"] {
      let stranger = try Self.principal(team, in: "elsewhere.test")
      let own = Resource(kind: "model", team: team, name: "m")
      #expect(policy.authorize(stranger, method: method, requires: permission) == .deny)
      #expect(policy.authorize(stranger, permission, on: own) == .conceal)
    }
  }

  @Test func concealedAndMissingLookAlike() throws {
    let other = Resource(kind: "model", team: "vision", name: "m")
    let mallory = try Self.principal("speech")
    let error = #expect(throws: RPCError.self) {
      try policy.require(.read, on: other, for: mallory)
    }
    #expect(error?.status == RPCError.notFound(other).status)
    #expect(error?.code == .notFound)
  }

  @Test func deniedNamesTheCallerAndTheWish() throws {
    let plugin = Resource(kind: "plugin", team: nil, name: "p")
    let alice = try Self.principal("vision")
    let error = #expect(throws: RPCError.self) {
      try policy.require(.write, on: plugin, for: alice)
    }
    #expect(error?.code == .permissionDenied)
    #expect(
      error?.message == "spiffe://massif.test/team/vision/n may not write plugin p")
  }
}
