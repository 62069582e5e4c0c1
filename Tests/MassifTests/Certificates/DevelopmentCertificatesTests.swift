// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifClient
import TestSupport
import Testing

@testable import massif

struct DevelopmentCertificatesTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func make(renews: Bool = false, clients: [ClientIdentity] = ClientIdentity.defaults)
    throws(CommandError) -> [DevelopmentCertificates.Made]
  {
    try DevelopmentCertificates(
      directory: directory.file("dev"), clients: clients, hosts: ["gpu7.lab", "10.0.0.7"], days: 30,
      renews: renews
    ).make()
  }

  private func contents(_ name: String) throws -> Data {
    try Data(contentsOf: URL(filePath: directory.file("dev/\(name)")))
  }

  @Test func makesWhatAServerAndItsClientsNeed() throws {
    let made = try make()
    #expect(made.map(\.name) == ["ca", "server", "alice", "admin"])
    #expect(made.map(\.isNew) == [true, true, true, true])
    for name in ["ca", "server", "alice", "admin"] {
      let path = directory.file("dev/\(name).key")
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
      #expect(mode as? Int == 0o600)
    }
    // The files fit together: the SDK loads them.
    let client = try MassifClient(
      addresses: [ServerAddress(host: "localhost")],
      credentials: Credentials(directory: directory.file("dev"), name: "alice"))
    client.close()
  }

  @Test func leavesWhatIsThere() throws {
    _ = try make()
    let before = try ["ca.pem", "server.pem", "alice.key"].map(contents)
    let again = try make(
      clients: ClientIdentity.defaults
        + [.init(argument: "bob=spiffe://d/team/t/bob")].compactMap(\.self))
    #expect(again.filter(\.isNew).map(\.name) == ["bob"])
    #expect(try ["ca.pem", "server.pem", "alice.key"].map(contents) == before)
  }

  @Test func renewsAllButTheAuthority() throws {
    _ = try make()
    let (authority, alice) = try (contents("ca.pem"), contents("alice.pem"))
    #expect(try make(renews: true).map(\.isNew) == [false, true, true, true])
    #expect(try contents("ca.pem") == authority)
    #expect(try contents("alice.pem") != alice)
  }

  @Test func aNewAuthorityIssuesAllAnew() throws {
    _ = try make()
    for name in ["ca.pem", "ca.key"] {
      try FileManager.default.removeItem(atPath: directory.file("dev/\(name)"))
    }
    #expect(try make().map(\.isNew) == [true, true, true, true])
  }

  @Test func doesNotReplaceAnAuthorityWhoseKeyIsElsewhere() throws {
    _ = try make()
    try FileManager.default.removeItem(atPath: directory.file("dev/ca.key"))
    let authority = try contents("ca.pem")
    #expect(throws: CommandError.self) { try make() }
    #expect(try contents("ca.pem") == authority)
  }

  @Test(arguments: [
    "bob", "=spiffe://d/team/t/n", "../bob=spiffe://d/team/t/n", "ca=spiffe://d/team/t/n",
    "bob=https://d/team/t/n", "bob=spiffe://d/team/t", "bob=spiffe://d/group/t/n",
    "bob=spiffe://d/team/t/n/x", "bob=spiffe://d/team//n", "b b=spiffe://d/team/t/n",
  ])
  func refusesIdentities(text: String) {
    #expect(ClientIdentity(argument: text) == nil)
  }
}
