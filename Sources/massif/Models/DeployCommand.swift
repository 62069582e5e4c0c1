// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif deploy`.
struct DeployCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deploy", abstract: "Load a model's version and keep it loaded.",
    discussion: """
      Answers when the version serves. Without a version, the newest is deployed.

      Examples:
        massif deploy fashion --alias production
        massif deploy vision/fashion@2
      """)

  @Argument(help: "[TEAM/]MODEL[@VERSION]")
  var model: ModelReference

  @Option(
    parsing: .singleValue,
    help: "An alias to move to this version once it serves; may be given more than once.")
  var alias: [String] = []

  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let version = try await client.models.deploy(
        model.name, version: model.version, aliases: alias)
      output.show(version.json) {
        ["\(version.model)@\(version.version) is \(version.servingState.text.lowercased())"]
      }
    }
  }
}

/// The command `massif undeploy`.
struct UndeployCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "undeploy", abstract: "Unload a model's version after the requests in flight.",
    discussion: """
      Example:
        massif undeploy fashion@1
      """)

  @Argument(help: "[TEAM/]MODEL[@VERSION]")
  var model: ModelReference
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let version = try await client.models.undeploy(model.name, version: model.version)
      output.show(version.json) {
        ["\(version.model)@\(version.version) is \(version.servingState.text.lowercased())"]
      }
    }
  }
}
