// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Glibc
internal import MassifClient

/// The command line: `massif <noun> <verb>`.
@main
struct Massif: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "massif",
    abstract: "Train, keep and serve models over mutual TLS.",
    discussion: """
      Five minutes, with development certificates and the server in another terminal:

        massif certs init
        massif serve
        massif data import digits --npy train/images=x.npy --npy train/labels=y.npy
        massif train digits.yaml --watch
        massif deploy digits
        massif predict digits --images x.npy --limit 5

      Every setting may come from a flag, a MASSIF_… variable or massif.yaml; `massif config \
      explain` shows which. Exit status: 0 done, 1 failed, 64 wrong usage, 130 interrupted.
      """,
    subcommands: [
      ServeCommand.self, CertsCommand.self, DataCommand.self, TrainCommand.self, JobsCommand.self,
      ModelsCommand.self, DeployCommand.self, UndeployCommand.self, PredictCommand.self,
      InferCommand.self, GraphCommand.self,
      PluginsCommand.self, ConfigCommand.self, WorkerCommand.self,
    ])

  static func main() async {
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch let error as MassifError {
      Console.error(ServerErrorText.text(error))
      Glibc.exit(1)
    } catch let error as CommandError {
      Console.error(error.description)
      Glibc.exit(1)
    } catch {
      exit(withError: error)
    }
  }
}
