// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif plugins …`.
struct PluginsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plugins", abstract: "Model plugins: register, list, describe.",
    subcommands: [
      PluginsRegisterCommand.self, PluginsListCommand.self, PluginsDescribeCommand.self,
    ])
}

/// The command `massif plugins register`.
struct PluginsRegisterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "register", abstract: "Send a shared object to the server and have it loaded.",
    discussion: """
      The plugin runs inside of the server, so this is for administrators only.

      Example:
        massif plugins register .build/release/libIdentityC.so --as admin
      """)

  @Argument(help: "The plugin, a .so file.")
  var file: String
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let plugin = try await client.plugins.register(file: file)
      output.show(plugin.json) {
        ["registered \(plugin.name) \(plugin.version), digest \(plugin.digest.prefix(12))"]
      }
    }
  }
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
        var table = TextTable("PLUGIN", "VERSION", "ABI", "CAN", "FROM")
        for plugin in plugins {
          table.append(
            plugin.name, plugin.version, plugin.abiVersion,
            plugin.capabilities.joined(separator: ","),
            plugin.builtIn ? "built in" : String(plugin.digest.prefix(12)))
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
          "configuration (JSON Schema):", plugin.configurationSchema,
        ]
      }
    }
  }
}
