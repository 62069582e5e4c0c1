// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Foundation
internal import MassifClient
internal import ModelPlugins
internal import Runtime

/// The command `massif graph explain`.
struct GraphExplainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Print a network's plan: operations, fusions, memory, work.",
    discussion: """
      The network is a training specification, a configuration of the plugin neural-network, the \
      model.json of a version (each a .yaml or .json file, and no server is needed), or a version \
      that the server has.

      Examples:
        massif graph explain Examples/Specifications/fashion-cnn.yaml --shape 28x28
        massif graph explain network.json --shape 32x32x3 --plan training --batch 64
        massif graph explain model.json --svg plan.svg
        massif graph explain vision/fashion@2 --output json
      """)

  @Argument(help: ArgumentHelp("A file, or [TEAM/]MODEL@VERSION.", valueName: "network"))
  var source: String

  @Option(
    help: ArgumentHelp(
      "The shape of a sample, as 28x28; model.json says it itself.", valueName: "shape"))
  var shape: SampleShape?

  @Option(help: ArgumentHelp("The type of its elements: UINT8, FP32, INT32.", valueName: "type"))
  var datatype = "UINT8"

  @Option(
    help: ArgumentHelp(
      "The largest batch that memory is laid out for; the configuration's if not given.",
      valueName: "samples"))
  var batch: Int?

  @Option(help: ArgumentHelp("serving, or training with its gradients.", valueName: "plan"))
  var plan = PlanChoice.serving

  @Option(help: ArgumentHelp("Write the plan to a file as a drawing, SVG.", valueName: "file"))
  var svg: String?

  @OptionGroup var client: ClientOptions

  func validate() throws {
    guard (batch ?? 1) >= 1 else { throw ValidationError("--batch is 1 or more") }
  }

  func run() async throws {
    if FileManager.default.fileExists(atPath: source) {
      try show(
        explanation(of: try TextFile.read(source, maxByteCount: SpecificationFile.maxByteCount)))
    } else {
      try await showVersion()
    }
  }

  /// Explains a file's network.
  func explanation(of text: String) throws(CommandError) -> NetworkExplanation {
    let json = try SpecificationFile.network(text, path: source)
    guard let type = DataType(rawValue: datatype.uppercased()) else {
      throw CommandError("--datatype", expected: "UINT8, FP32 or INT32", came: datatype)
    }
    do throws(PluginError) {
      let set: InstructionSet
      do throws(RuntimeError) {
        set = try InstructionSet.preferred()
      } catch {
        throw PluginError(.failedPrecondition, error.description)
      }
      return try NetworkExplanation(
        of: json.text, sample: shape.map { (type, $0.extents) }, for: plan.purpose,
        maximumBatch: batch,
        instructionSet: set)
    } catch {
      let isShape = error.violations.contains { $0.field == "shape" }
      throw CommandError(
        "\(source): \(error.message)",
        hint: isShape ? "--shape 28x28 and --datatype UINT8 say what a sample is" : nil)
    }
  }

  private func show(_ explanation: NetworkExplanation) throws {
    if let svg { try write(Data(explanation.drawing.utf8), to: svg) }
    switch try client.connection().output {
    case .json: Console.print(explanation.json)
    case .text: print(lines: explanation.text)
    }
  }

  /// What the plugin wrote beside the weights of a version, when it was trained.
  private func showVersion() async throws {
    guard let reference = ModelReference(argument: source), let version = reference.version else {
      throw CommandError(
        source, expected: "a file, or [TEAM/]MODEL@VERSION", came: "neither",
        hint: "`massif models list` shows the versions that the server has")
    }
    try await client.withClient { client, output in
      func artifact(_ name: String) async throws -> Data {
        try await client.models.report(of: reference.name, version: version, artifact: name).content
      }
      if let svg { try write(try await artifact("graph.svg"), to: svg) }
      switch output {
      case .json:
        print(lines: String(decoding: try await artifact("report.json"), as: UTF8.self))
      case .text: print(lines: String(decoding: try await artifact("report.txt"), as: UTF8.self))
      }
    }
  }

  private func print(lines text: String) {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    for line in lines { Console.print(String(line)) }
  }

  private func write(_ data: Data, to path: String) throws(CommandError) {
    do {
      try data.write(to: URL(filePath: path))
    } catch {
      throw CommandError("\(path) cannot be written: \(error.localizedDescription)")
    }
  }
}

/// Which plan of a network is explained.
enum PlanChoice: String, ExpressibleByArgument, CaseIterable {
  case serving
  case training

  var purpose: NetworkExplanation.Purpose { self == .serving ? .serving : .training }
}
