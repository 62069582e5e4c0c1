// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Who may connect, and what the command line says to those who may not.
@Suite(.serialized) struct IdentityOfCallersTests {
  @Test func aCertificateOfAnotherAuthorityIsRefused() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let foreign = massif.directory.appending(path: "foreign")
    let made = try await Program.run(
      BuildProducts.massif, ["certs", "init", "--directory", foreign.path])
    #expect(made.status == 0, "\(made.errors)")
    // Their client certificate, our authority to check the server with: only the server can refuse.
    let ours = massif.certificates.appending(path: "ca.pem")
    let theirs = foreign.appending(path: "ca.pem")
    try FileManager.default.removeItem(at: theirs)
    try FileManager.default.copyItem(at: ours, to: theirs)
    let refused = try await Program.run(
      BuildProducts.massif, ["models", "list"],
      environment: [
        "MASSIF_SERVER": massif.address, "MASSIF_CERTIFICATES": foreign.path,
        "MASSIF_AS": "alice",
      ], seconds: 60)
    #expect(refused.status != 0)
    #expect(refused.errors.contains("error:"), "\(refused.errors)")
    let accepted = try await massif.massif(["models", "list"])
    #expect(accepted.status == 0, "\(accepted.errors)")
  }

  @Test func onlyAnAdministratorRegistersPlugins() async throws {
    let massif = try await Installation(serveArguments: ["--allow-unsigned-plugins"])
    defer { massif.remove() }
    let refused = try await massif.massif(
      ["plugins", "register", BuildProducts.plugin("IdentityC").path])
    #expect(refused.status != 0)
    #expect(refused.errors.contains("administrator"), "\(refused.errors)")
  }

  @Test func withoutTheFlagNoPluginIsRegistered() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let refused = try await massif.massif(
      ["plugins", "register", BuildProducts.plugin("IdentityC").path], as: "admin")
    #expect(refused.status != 0)
    #expect(refused.errors.contains("--allow-unsigned-plugins"), "\(refused.errors)")
  }

  @Test func aServerThatIsNotThereIsNamed() async throws {
    let massif = try await Installation()
    defer { massif.remove() }
    let address = massif.address
    #expect(massif.stop().status == 0)
    let refused = try await massif.massif(["models", "list"], seconds: 60)
    #expect(refused.status != 0)
    #expect(refused.errors.contains(address), "\(refused.errors)")
  }
}
