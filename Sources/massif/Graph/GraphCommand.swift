// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser

/// The command `massif graph …`.
struct GraphCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph", abstract: "Networks as graphs: what a plan does, and what it takes.",
    subcommands: [GraphExplainCommand.self])
}
