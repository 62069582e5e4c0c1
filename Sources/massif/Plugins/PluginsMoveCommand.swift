// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif plugins move`.
struct PluginsMoveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "move", abstract: "Have a build of a plugin serve what its other builds do.",
    discussion: """
      Loads every deployed version of the plugin beside the one that serves, replays the golden cases, then lets one \
      after the other take over; no request fails. If anything is not as recorded, nothing moves.

      Examples:
        massif plugins register libmine.so --as admin
        massif plugins move mine --golden mine-golden.json --as admin
        massif plugins move mine --to 41c0a7 --as admin
      """)

  @Argument(help: "The plugin's name.")
  var name: String

  @Option(
    name: .customLong("to"),
    help: ArgumentHelp(
      "The build to move to, or how its digest begins (default: the newest).", valueName: "digest"))
  var digest = ""

  @Option(
    help: ArgumentHelp("Recorded requests and responses, JSON.", valueName: "file"))
  var golden: String?

  @OptionGroup var client: ClientOptions

  func run() async throws {
    let cases = try golden.map { (path) throws(CommandError) in try GoldenFile.read(path) } ?? []
    try await client.withClient { client, output in
      let move = try await client.plugins.move(name, to: digest, golden: cases)
      let moved = move.moved.map { version -> JSONValue in
        [
          "model": .string(version.model), "version": .integer(version.version),
          "from_digest": .string(version.fromDigest),
        ]
      }
      output.show(["plugin": move.plugin.json, "moved": .array(moved)]) {
        ["moved \(move.moved.count) versions to \(name), build \(move.plugin.digest.prefix(12))"]
          + move.moved.map { "  \($0.model) version \($0.version)" }
      }
    }
  }
}

/// The command `massif plugins retire`.
struct PluginsRetireCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retire", abstract: "Forget a build of a plugin that nothing uses.",
    discussion: """
      Refused while a deployed version or a job needs it. Its code stays in the server's memory until the next start.

      Example:
        massif plugins retire mine --build 41c0a7 --as admin
      """)

  @Argument(help: "The plugin's name.")
  var name: String

  @Option(
    name: .customLong("build"),
    help: ArgumentHelp(
      "The build's digest, or how it begins (default: the only one).", valueName: "digest"))
  var digest = ""

  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let plugin = try await client.plugins.retire(name, digest: digest)
      output.show(plugin.json) {
        ["retired \(plugin.name) \(plugin.version), build \(plugin.digest.prefix(12))"]
      }
    }
  }
}
