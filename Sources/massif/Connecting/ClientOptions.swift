// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The flags of every command that calls a server.
struct ClientOptions: ParsableArguments {
  @Option(
    name: .customLong("server"), parsing: .singleValue,
    help: ArgumentHelp(
      "The server (environment: MASSIF_SERVER); may be given more than once.",
      valueName: "host:port"))
  var servers: [String] = []

  @Option(
    help: ArgumentHelp(
      "Where ca.pem and your certificate are (environment: MASSIF_CERTIFICATES).",
      valueName: "directory"))
  var certificates: String?

  @Option(
    name: .customLong("as"),
    help: ArgumentHelp(
      "Whose certificate to use: NAME.pem and NAME.key (environment: MASSIF_AS).",
      valueName: "name"))
  var identity: String?

  @Option(
    help: ArgumentHelp(
      "Seconds that a call may take (environment: MASSIF_TIMEOUT).", valueName: "seconds"))
  var timeout: String?

  @Option(
    help: ArgumentHelp(
      "pick_first or round_robin, over several servers (environment: MASSIF_LOAD_BALANCING).",
      valueName: "policy"))
  var loadBalancing: String?

  @Option(
    help: ArgumentHelp(
      "text for people, json for programs (environment: MASSIF_OUTPUT).", valueName: "format"))
  var output: String?

  @OptionGroup var file: SettingsOptions

  /// What the flags give for a setting.
  func flag(_ setting: Setting) -> String? {
    switch setting {
    case .server: servers.isEmpty ? nil : servers.joined(separator: ",")
    case .certificates: certificates
    case .identity: identity
    case .timeout: timeout
    case .output: output
    case .loadBalancing: loadBalancing
    default: nil
    }
  }

  /// What the settings come to.
  func connection() throws(CommandError) -> ConnectionSettings {
    let settings = try file.settings()
    func value(_ setting: Setting) throws(CommandError) -> String {
      try settings.effective(setting, flag: flag(setting)).value ?? ""
    }
    return try ConnectionSettings(value)
  }

  /// Runs `body` with a client and closes it afterwards.
  func withClient<Result>(
    isolation: isolated (any Actor)? = #isolation,
    _ body: (MassifClient, OutputFormat) async throws -> Result
  ) async throws -> Result {
    let settings = try connection()
    let client = try settings.makeClient()
    defer { client.close() }
    return try await body(client, settings.output)
  }
}

/// The parsed settings of a connection.
struct ConnectionSettings {
  let addresses: [ServerAddress]
  let certificates: String
  let identity: String
  let timeout: Duration
  let output: OutputFormat
  let loadBalancing: LoadBalancing

  init(_ value: (Setting) throws(CommandError) -> String) throws(CommandError) {
    var addresses: [ServerAddress] = []
    for text in try value(.server).split(separator: ",") {
      guard let address = ServerAddress(String(text)) else {
        throw CommandError("--server", expected: "HOST:PORT, [IPv6]:PORT", came: "\"\(text)\"")
      }
      addresses.append(address)
    }
    self.addresses = addresses
    certificates = try value(.certificates)
    identity = try value(.identity)
    let timeout = try value(.timeout)
    guard let seconds = Double(timeout), seconds > 0, seconds <= 86_400 else {
      throw CommandError(
        "--timeout", expected: "seconds above 0, at most a day", came: "\"\(timeout)\"")
    }
    self.timeout = .seconds(seconds)
    output = OutputFormat(rawValue: try value(.output)) ?? .text
    loadBalancing = LoadBalancing(rawValue: try value(.loadBalancing)) ?? .pickFirst
  }

  func makeClient() throws -> MassifClient {
    let credentials = Credentials(directory: certificates, name: identity)
    do {
      return try MassifClient(
        addresses: addresses, credentials: credentials,
        options: .init(loadBalancing: loadBalancing, timeout: timeout))
    } catch {
      throw CommandError(
        "the certificates in \(certificates) for \(identity) cannot be used: \(error.message)",
        hint: "`massif certs init --directory \(certificates)` makes development certificates; "
          + "see --certificates and --as")
    }
  }
}
