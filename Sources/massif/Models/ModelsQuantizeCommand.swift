// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif models quantize`.
struct ModelsQuantizeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Make a version in bf16 or int8 out of one in single precision.",
    discussion: """
      The new version is the model's next one; it is deployed and called like any other. int8 needs \
      a data set of the model's inputs that shows which values occur; with one, the version's \
      metrics say how often it agrees with the version that it was made of.

      Examples:
        massif models quantize fashion@3 --type int8 --calibration fashion-mnist
        massif models quantize vision/fashion --type bf16
      """)

  @Argument(help: "[TEAM/]MODEL[@VERSION]; without a version, the newest.")
  var model: ModelReference

  /// The types that a version can be made in.
  enum NarrowType: String, ExpressibleByArgument, CaseIterable {
    case bf16, int8

    var message: QuantizationType { self == .bf16 ? .bf16 : .int8 }
  }

  @Option(help: "What the version's products are computed in.")
  var type: NarrowType

  @Option(help: ArgumentHelp("A data set for the calibration.", valueName: "[team/]dataset"))
  var calibration: String?

  @Option(
    help: ArgumentHelp(
      "At most so many of its samples are looked at; 1024 unless told.", valueName: "n"))
  var samples: Int?

  @OptionGroup var client: ClientOptions

  func validate() throws {
    guard type == .bf16 || calibration != nil else {
      throw ValidationError("--type int8 needs --calibration DATASET")
    }
    guard samples.map({ $0 > 0 }) ?? true else {
      throw ValidationError("--samples: expected 1 or more")
    }
  }

  func run() async throws {
    try await client.withClient { client, output in
      let version = try await client.models.quantize(
        model.name, version: model.version, to: type.message, calibration: calibration ?? "",
        maxSamples: samples)
      output.show(version.json) { version.lines }
    }
  }
}
