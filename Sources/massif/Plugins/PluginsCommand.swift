// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif plugins …`.
struct PluginsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plugins",
    abstract: "Model plugins: write, sign, register, list, describe, move, retire.",
    subcommands: [
      PluginsNewCommand.self, PluginsKeygenCommand.self, PluginsSignCommand.self,
      PluginsRegisterCommand.self,
      PluginsListCommand.self, PluginsDescribeCommand.self, PluginsMoveCommand.self,
      PluginsRetireCommand.self,
    ])
}

/// The command `massif plugins list`.
struct PluginsListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the plugins, the built-in ones too.",
    discussion: """
      Example:
        massif plugins list
      """)

  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let plugins = try await client.plugins.list()
      output.show(["plugins": .array(plugins.map(\.json))]) {
        var table = TextTable("PLUGIN", "VERSION", "ABI", "CAN", "RUNS", "SIGNED", "FROM")
        for plugin in plugins {
          table.append(
            plugin.name, plugin.version, plugin.abiVersion,
            plugin.capabilities.joined(separator: ","), plugin.isolation.text,
            plugin.signature, plugin.builtIn ? "built in" : String(plugin.digest.prefix(12)))
        }
        return table.lines
      }
    }
  }
}

/// The command `massif plugins describe`.
struct PluginsDescribeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Show a plugin and the schema of its configuration.",
    discussion: """
      Example:
        massif plugins describe neural-network
      """)

  @Argument(help: "The plugin's name.")
  var name: String
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let plugin = try await client.plugins.describe(name)
      output.show(plugin.json) {
        [
          "plugin     \(plugin.name) \(plugin.version)", "ABI        \(plugin.abiVersion)",
          "can        \(plugin.capabilities.joined(separator: ", "))",
          "from       \(plugin.builtIn ? "built in" : plugin.digest)",
          "runs       \(plugin.isolation.text)", "signed     \(plugin.signature)",
        ]
          + plugin.sandbox.enumerated().map { index, means in
            (index == 0 ? "sandbox    " : "           ") + means
          } + [
            "configuration (JSON Schema):", plugin.configurationSchema,
          ]
      }
    }
  }
}

extension Plugin {
  /// Whose signature it has, in a word.
  fileprivate var signature: String {
    builtIn ? "-" : signedBy.isEmpty ? "no" : String(signedBy.prefix(12))
  }
}
