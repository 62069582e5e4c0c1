// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif models …`.
struct ModelsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "Models: list, describe, create without training.",
    subcommands: [
      ModelsListCommand.self, ModelsDescribeCommand.self, ModelsCreateCommand.self,
    ])
}

/// The command `massif models list`.
struct ModelsListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the models of a team with their versions.",
    discussion: """
      Example:
        massif models list --output json
      """)

  @Option(help: "The team; your own if not given.")
  var team = ""
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let models = try await client.models.list(team: team)
      output.show(["models": .array(models.map(\.json))]) {
        var table = TextTable("MODEL", "VERSION", "STATE", "ALIASES", "PLUGIN", "METRICS")
        for model in models {
          for version in model.versions {
            let aliases = model.aliases.filter { $0.value == version.version }.keys.sorted()
            table.append(
              model.name, String(version.version), version.servingState.text,
              aliases.isEmpty ? "-" : aliases.joined(separator: ","), version.plugin,
              version.metrics.text)
          }
        }
        return models.isEmpty
          ? ["no models; `massif train` and `massif models create` make them"] : table.lines
      }
    }
  }
}

/// The command `massif models describe`.
struct ModelsDescribeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Show a model's versions, or one of them.",
    discussion: """
      Examples:
        massif models describe fashion
        massif models describe vision/fashion@2 --output json
      """)

  @Argument(help: "[TEAM/]MODEL[@VERSION]")
  var model: ModelReference
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let found = try await client.models.get(model.name)
      guard let number = model.version else {
        output.show(found.json) {
          ["model      \(found.name)"]
            + found.aliases.sorted { $0.key < $1.key }
            .map { "alias      \($0.key) → \($0.value)" }
            + found.versions.flatMap { [""] + $0.lines }
        }
        return
      }
      guard let version = found.versions.first(where: { $0.version == number }) else {
        throw CommandError(
          found.name, field: "version",
          expected: "one of \(found.versions.map { String($0.version) }.joined(separator: ", "))",
          came: "\(number)")
      }
      output.show(version.json) { version.lines }
    }
  }
}

/// The command `massif models create`.
struct ModelsCreateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make a version of a plugin's model that needs no training.",
    discussion: """
      Example:
        massif models create echo --plugin identity
      """)

  @Argument(help: "[TEAM/]MODEL that gets the version.")
  var model: String

  @Option(help: "The plugin.")
  var plugin: String

  @Option(help: ArgumentHelp("The plugin's configuration, a JSON object.", valueName: "json"))
  var configuration = "{}"

  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let version = try await client.models.createVersion(
        of: model, plugin: plugin, configuration: configuration)
      output.show(version.json) { version.lines }
    }
  }
}
