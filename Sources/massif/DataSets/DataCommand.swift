// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif data …`.
struct DataCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Data sets: import from files, list, describe.",
    subcommands: [DataImportCommand.self, DataListCommand.self, DataDescribeCommand.self])
}

/// The command `massif data list`.
struct DataListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the data sets of a team.",
    discussion: """
      Example:
        massif data list --output json
      """)

  @Option(help: "The team; your own if not given.")
  var team = ""
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let dataSets = try await client.dataSets.list(team: team)
      output.show(["datasets": .array(dataSets.map(\.json))]) {
        var table = TextTable("NAME", "BYTES", "TENSORS", "DIGEST")
        for dataSet in dataSets {
          table.append(
            dataSet.name, Quantity.grouped(dataSet.byteCount),
            dataSet.tensors.map(\.text).joined(separator: ", "), String(dataSet.digest.prefix(12)))
        }
        return dataSets.isEmpty
          ? ["no data sets; `massif data import --help` shows how to make one"] : table.lines
      }
    }
  }
}

/// The command `massif data describe`.
struct DataDescribeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Show a data set: tensors, digest, metadata.",
    discussion: """
      Example:
        massif data describe fashion-mnist
      """)

  @Argument(help: "The data set, NAME or TEAM/NAME.")
  var name: String
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let dataSet = try await client.dataSets.get(name)
      output.show(dataSet.json) { dataSet.lines }
    }
  }
}
