// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MassifClient
import Testing

@testable import massif

/// Every command as a person meets it: parsed, helped, refused.
struct CommandLineTests {
  @Test(arguments: [
    ["certs", "init"], ["data", "import", "x", "--idx", "train/images=a"], ["data", "list"],
    ["data", "describe", "x"], ["train", "s.yaml", "--watch"], ["jobs", "list"],
    ["jobs", "get", "1"], ["jobs", "watch", "1"], ["jobs", "cancel", "1"], ["models", "list"],
    ["models", "describe", "m@1"], ["models", "create", "m", "--plugin", "identity"],
    ["deploy", "m", "--alias", "production"], ["undeploy", "m@1"],
    ["predict", "m", "--images", "a", "--expect", "b", "--batch", "64"],
    ["predict", "m", "--input", "a"],
    ["predict", "m", "--text", "To be", "--length", "9", "--temperature", "0"],
    ["data", "import", "x", "--text", "a", "--context", "32", "--stride", "8"],
    ["plugins", "register", "x.so"], ["plugins", "list"],
    ["plugins", "describe", "identity"], ["config", "explain"],
    ["graph", "explain", "n.json", "--shape", "28x28x1", "--plan", "training", "--batch", "8"],
  ])
  func parses(arguments: [String]) throws {
    _ = try Massif.parseAsRoot(arguments)
  }

  @Test(arguments: [
    ["data", "import", "x", "--csv", "a", "--arff", "b"], ["data", "import", "x", "--label", "a"],
    ["data", "import", "x", "--csv", "a", "--label", "b", "--test-fraction", "1"],
    ["data", "import", "x", "--idx", "images=a"], ["certs", "init", "--days", "0"],
    ["predict", "m", "--images", "a", "--batch", "0"], ["predict", "m"], ["deploy", "m@0"],
    ["predict", "m", "--text", "a", "--csv", "b"],
    ["predict", "m", "--text", "a", "--temperature", "-1"],
    ["data", "import", "x", "--text", "a", "--context", "0"],
    ["jobs", "watch"], ["unknown"],
    ["jobs", "watch"], ["unknown"], ["graph", "explain"],
    ["graph", "explain", "a", "--shape", "0x3"],
    ["graph", "explain", "a", "--batch", "0"], ["graph", "explain", "a", "--plan", "both"],
  ])
  func refuses(arguments: [String]) {
    let error = #expect(throws: (any Error).self) { try Massif.parseAsRoot(arguments) }
    #expect(error.map { Massif.exitCode(for: $0).rawValue } == 64)
  }

  /// Each command that does something shows what, with an example.
  @Test func everyCommandHasHelpWithAnExample() {
    func visit(_ command: any ParsableCommand.Type, _ path: [String]) {
      let configuration = command.configuration
      #expect(!configuration.abstract.isEmpty, "\(path)")
      if configuration.subcommands.isEmpty, configuration.shouldDisplay {
        #expect(configuration.discussion.contains("massif "), "\(path)")
      }
      for subcommand in configuration.subcommands {
        visit(subcommand, path + [subcommand.configuration.commandName ?? "?"])
      }
    }
    visit(Massif.self, ["massif"])
  }

  @Test func flagsBecomeConnectionSettings() throws {
    let command = try Massif.parseAsRoot([
      "jobs", "list", "--server", "a:1", "--server", "[::1]:2", "--as", "bob", "--timeout", "2.5",
      "--output", "json", "--load-balancing", "round_robin", "--certificates", "c",
    ])
    let options = try #require(command as? JobsListCommand).client
    let settings = try ConnectionSettings { setting throws(CommandError) in
      try Settings(environment: [:], file: nil).effective(setting, flag: options.flag(setting))
        .value ?? ""
    }
    #expect(settings.addresses.map(\.description) == ["a:1", "[::1]:2"])
    #expect(settings.identity == "bob")
    #expect(settings.certificates == "c")
    #expect(settings.timeout == .milliseconds(2500))
    #expect(settings.output == .json)
    #expect(settings.loadBalancing == .roundRobin)
  }

  @Test(arguments: [
    ("--server", "a:b"), ("--timeout", "0"), ("--timeout", "x"), ("--timeout", "1e9"),
    ("--output", "xml"), ("--load-balancing", "random"),
  ])
  func refusesSettings(flag: String, value: String) throws {
    let command = try Massif.parseAsRoot(["jobs", "list", flag, value])
    let options = try #require(command as? JobsListCommand).client
    #expect(throws: CommandError.self) {
      try ConnectionSettings { setting throws(CommandError) in
        try Settings(environment: [:], file: nil).effective(setting, flag: options.flag(setting))
          .value ?? ""
      }
    }
  }
}
