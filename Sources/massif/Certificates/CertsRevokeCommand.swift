// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Foundation
internal import RPCTransport

/// The command `massif certs revoke`.
struct CertsRevokeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke",
    abstract: "Add clients' certificates to the development authority's revocation list.",
    discussion: """
      Writes crl.pem beside ca.pem. A server that runs on this directory notices within seconds: it \
      closes the connections of those who are revoked and lets them in no more. Without a name the \
      list is signed anew, for another --days.

      Examples:
        massif certs revoke alice
        massif certs revoke --directory certs/gpu7 bob carol
      """)

  @Argument(help: ArgumentHelp("Whose certificate, by the name of its file.", valueName: "name"))
  var names: [String] = []

  @Option(help: "Where the files are.")
  var directory = "certs/dev"

  @Option(
    help: ArgumentHelp(
      "How long the list is good for; servers refuse everybody after that.", valueName: "days"))
  var days = 365

  func validate() throws {
    guard (1...3650).contains(days) else {
      throw ValidationError("--days: expected 1 to 3650, came \(days)")
    }
    for name in names where ClientIdentity(argument: "\(name)=spiffe://a/team/b/c") == nil {
      throw ValidationError("expected the name of a client's certificate, came \"\(name)\"")
    }
  }

  func run() async throws {
    let path = { (name: String) in URL(filePath: directory).appending(path: name).path }
    let list = path("crl.pem")
    do {
      let authority = try CertificateAuthority(
        certificatePath: path("ca.pem"), privateKeyPath: path("ca.key"))
      let bytes = try authority.revocationList(
        revoking: names.map { path("\($0).pem") },
        earlier: FileManager.default.fileExists(atPath: list) ? list : nil, validity: .days(days))
      try Data(bytes).write(to: URL(filePath: list), options: .atomic)
    } catch let error as TransportError {
      throw CommandError(error.message)
    } catch {
      throw CommandError("\(list) cannot be written", hint: "may you write there?")
    }
    Console.print(
      "\(list): \(names.isEmpty ? "signed anew" : "revoked \(names.joined(separator: ", "))")")
  }
}
