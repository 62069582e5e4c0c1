// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif train`.
struct TrainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Submit a training job.",
    discussion: """
      The specification is a YAML or JSON file:

        model: fashion
        dataset: fashion-mnist
        seed: 1
        configuration:
          layers:
            - { type: flatten }
            - { type: dense, units: 10 }
          loss: cross_entropy
          optimizer: { type: adam, learning_rate: 0.001 }
          epochs: 3
          batch_size: 64

      The server checks every field before it takes the job. `massif plugins describe \
      neural-network` shows all of them.

      Examples:
        massif train Examples/Specifications/fashion-cnn.yaml --watch
        massif train specification.json --output json
      """)

  @Argument(help: "The specification, a .yaml or .json file.")
  var specification: String

  @Flag(help: "Follow the job until it ends. Ctrl-C leaves it running.")
  var watch = false

  @OptionGroup var client: ClientOptions

  func run() async throws {
    let specification = try SpecificationFile.read(specification)
    try await client.withClient { client, output in
      let job = try await client.jobs.submit(specification)
      guard watch else {
        output.show(job.json) {
          [
            "job \(job.id) is \(job.state.text.lowercased())",
            "follow it: massif jobs watch \(job.id)",
          ]
        }
        return
      }
      try await JobFollower(client: client, output: output).follow(job.id)
    }
  }
}
