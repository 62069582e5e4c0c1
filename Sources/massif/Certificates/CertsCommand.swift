// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser

/// The command `massif certs …`.
struct CertsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "certs", abstract: "Certificates for development.",
    subcommands: [CertsInitCommand.self, CertsRevokeCommand.self])
}

/// The command `massif certs init`.
struct CertsInitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Make a development authority, a server certificate and client certificates.",
    discussion: """
      Writes ca.pem, server.pem, server.key and NAME.pem, NAME.key for each client, keys readable \
      by you alone. What is there stays, so it is safe to run again; --renew makes the server's \
      and the clients' certificates anew. In production the organisation's own authority issues \
      them.

      Examples:
        massif certs init
        massif certs init --client bob=spiffe://massif.local/team/speech/bob
        massif certs init --directory certs/gpu7 --host gpu7.lab --host 10.0.0.7
      """)

  @Option(help: "Where the files go.")
  var directory = "certs/dev"

  @Option(
    name: .customLong("client"), parsing: .singleValue,
    help: ArgumentHelp(
      "A client; may be given more than once (default: alice of team vision, and admin).",
      valueName: "name=spiffe-id"))
  var clients: [ClientIdentity] = []

  @Option(
    name: .customLong("host"), parsing: .singleValue,
    help: ArgumentHelp(
      "A further name or address of the server; localhost, 127.0.0.1 and ::1 are always there.",
      valueName: "name"))
  var hosts: [String] = []

  @Option(help: ArgumentHelp("How long the certificates are good for.", valueName: "days"))
  var days = 365

  @Flag(help: "Make the server's and the clients' certificates anew; the authority stays.")
  var renew = false

  @Option(help: "text for people, json for programs.")
  var output: OutputFormat = .text

  func validate() throws {
    guard (1...3650).contains(days) else {
      throw ValidationError("--days: expected 1 to 3650, came \(days)")
    }
  }

  func run() async throws {
    let made = try DevelopmentCertificates(
      directory: directory, clients: clients.isEmpty ? ClientIdentity.defaults : clients,
      hosts: hosts, days: days, renews: renew
    ).make()
    output.show([
      "directory": .string(directory),
      "files": .array(
        made.map { file in
          [
            "name": .string(file.name), "identity": .string(file.identity),
            "made": .bool(file.isNew),
          ]
        }),
    ]) {
      var table = TextTable("FILE", "WHO", "")
      for file in made {
        table.append("\(directory)/\(file.name).pem", file.identity, file.isNew ? "made" : "kept")
      }
      return table.lines
    }
  }
}

/// As `alice=spiffe://massif.local/team/vision/alice`.
struct ClientIdentity: ExpressibleByArgument, Equatable {
  let name: String
  let identity: String

  static let defaults = [
    ClientIdentity(name: "alice", identity: "spiffe://massif.local/team/vision/alice"),
    ClientIdentity(name: "admin", identity: "spiffe://massif.local/team/admin/root"),
  ]

  init(name: String, identity: String) {
    self.name = name
    self.identity = identity
  }

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "=") else { return nil }
    let name = String(argument[..<equals])
    let identity = String(argument[argument.index(after: equals)...])
    guard Self.isName(name), !["ca", "server"].contains(name), Self.isIdentity(identity) else {
      return nil
    }
    self.init(name: name, identity: identity)
  }

  /// `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`: the grammar of all names, which is also safe in a file
  /// name.
  private static func isName(_ text: some StringProtocol) -> Bool {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: false
      }
    }
    guard let first = text.utf8.first, text.utf8.count <= 128 else { return false }
    return isAlphanumeric(first)
      && text.utf8.allSatisfy { isAlphanumeric($0) || "._-".utf8.contains($0) }
  }

  /// As `spiffe://<trust domain>/team/<team>/<name>`.
  private static func isIdentity(_ text: String) -> Bool {
    guard text.hasPrefix("spiffe://") else { return false }
    let parts = text.dropFirst("spiffe://".count).split(
      separator: "/", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[1] == "team" && isName(parts[0]) && isName(parts[2])
      && isName(parts[3])
  }
}
