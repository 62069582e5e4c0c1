// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifAPI
internal import MassifClient
internal import SwiftProtobuf

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

      With continue_version: N, beside model and dataset alone, version N of the model learns on from further samples \
      and becomes a new version, where its plugin offers that.

      The server checks every field before it takes the job. `massif plugins describe \
      neural-network` shows all of them.

      Examples:
        massif train Examples/Specifications/fashion-cnn.yaml --watch
        massif train specification.json --output json
        massif train --preset linear-regression --data diamonds-folder --watch
        massif train --presets
      """)

  @Argument(help: "The specification, a .yaml or .json file.")
  var specification: String?

  @Option(
    help: ArgumentHelp(
      "A first run of a family, instead of a specification.", valueName: "name"))
  var preset: String?

  @Option(
    help: ArgumentHelp(
      "Where the preset's files are; needed once, to import them.", valueName: "folder"))
  var data: String?

  @Flag(help: "List the presets.")
  var presets = false

  @Flag(help: "Follow the job until it ends. Ctrl-C leaves it running.")
  var watch = false

  @OptionGroup var client: ClientOptions

  func validate() throws {
    guard [specification != nil, preset != nil, presets].count(where: { $0 }) == 1 else {
      throw ValidationError("expected a specification, --preset NAME or --presets")
    }
    guard data == nil || preset != nil else {
      throw ValidationError("--data is of use with --preset")
    }
  }

  func run() async throws {
    if presets {
      try client.connection().output.show(.array(TrainingPreset.all.map(\.json))) {
        var table = TextTable("PRESET", "LEARNS", "DATA")
        for preset in TrainingPreset.all {
          table.append(preset.name, preset.summary, preset.data?.recipe ?? "none")
        }
        return table.lines
      }
      return
    }
    let specification = try await readSpecification()
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

  /// The specification of the file, or of the preset, whose data set is imported if it is not there.
  private func readSpecification() async throws -> TrainingSpecification {
    if let specification { return try SpecificationFile.read(specification) }
    let preset = try TrainingPreset.named(preset ?? "")
    if let data = preset.data {
      try await importIfMissing(data, of: preset)
    } else if let data {
      throw CommandError(
        "--data \(data)", expected: "no folder, because \(preset.name) learns in an environment",
        came: "one")
    }
    return .with {
      $0.model = preset.name
      if let data = preset.data { $0.dataset = data.name }
      $0.plugin = preset.plugin
      $0.configuration = preset.configuration
      $0.seed = 1
    }
  }

  private func importIfMissing(_ wanted: PresetData, of preset: TrainingPreset) async throws {
    let isThere = try await client.withClient { client, _ in
      try await client.dataSets.list().contains {
        $0.name.split(separator: "/").last.map(String.init) == wanted.name
      }
    }
    guard !isThere else { return }
    guard let data else {
      throw CommandError(
        "--preset \(preset.name)", expected: "the data set \(wanted.name)", came: "none",
        hint: "make its files with `\(wanted.recipe)`, and give the folder with --data")
    }
    var importing = try DataImportCommand.parse([wanted.name] + wanted.options(in: data))
    importing.client = client
    try await importing.run()
  }
}
