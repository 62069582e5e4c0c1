// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif models …`.
struct ModelsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "Models: list, describe, create without training.",
    subcommands: [
      ModelsListCommand.self, ModelsDescribeCommand.self, ModelsCreateCommand.self,
      ModelsQuantizeCommand.self,
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
