// SPDX-License-Identifier: Apache-2.0

/// A setting that may come from a flag, from the environment, from massif.yaml, or from its
/// default, in that order.
struct Setting: Sendable, Hashable {
  /// The path in massif.yaml, parts separated by dots.
  let key: String
  /// The flag, `--server`.
  let flag: String
  /// The environment variable, `MASSIF_SERVER`.
  let environment: String
  /// The value when nothing else gives one.
  let defaultValue: String?
  /// What it is, in a phrase.
  let about: String
  /// The allowed values, where they are few.
  var choices: [String] = []
}

extension Setting {
  static let server = Setting(
    key: "server", flag: "--server", environment: "MASSIF_SERVER",
    defaultValue: "127.0.0.1:8001", about: "the server's HOST:PORT; several separated by commas")
  static let certificates = Setting(
    key: "certificates", flag: "--certificates", environment: "MASSIF_CERTIFICATES",
    defaultValue: "certs/dev", about: "the directory with ca.pem and NAME.pem, NAME.key")
  static let identity = Setting(
    key: "as", flag: "--as", environment: "MASSIF_AS", defaultValue: "alice",
    about: "whose certificate to use, by the name of its files")
  static let timeout = Setting(
    key: "timeout", flag: "--timeout", environment: "MASSIF_TIMEOUT", defaultValue: "60",
    about: "seconds that a call may take")
  static let output = Setting(
    key: "output", flag: "--output", environment: "MASSIF_OUTPUT", defaultValue: "text",
    about: "text for people, json for programs", choices: OutputFormat.allCases.map(\.rawValue))
  static let loadBalancing = Setting(
    key: "load_balancing", flag: "--load-balancing", environment: "MASSIF_LOAD_BALANCING",
    defaultValue: "pick_first", about: "how calls are spread over several servers",
    choices: ["pick_first", "round_robin"])

  /// The settings of commands that call a server.
  static let client: [Setting] = [
    .server, .certificates, .identity, .timeout, .output, .loadBalancing,
  ]

  /// All settings, in the order in which `massif config explain` shows them.
  static let all: [Setting] = client + serve
}
