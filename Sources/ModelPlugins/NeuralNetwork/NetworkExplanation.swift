// SPDX-License-Identifier: Apache-2.0
public import Runtime

/// What the plan of a network will be, before anything is trained or loaded: what `massif graph explain` prints.
public struct NetworkExplanation: Sendable {
  /// What a plan is for.
  public enum Purpose: String, Sendable, CaseIterable {
    /// Answering: probabilities or predictions.
    case serving
    /// A step of training: forward, gradients and the optimizer.
    case training
  }

  /// Operations after fusion, their work and their memory, for people.
  public let text: String
  /// The same for programs, one JSON document.
  public let json: String
  /// The same as a drawing, SVG.
  public let drawing: String

  /// Compiles the plan and takes none of its memory.
  ///
  /// - Parameters:
  ///   - specification: JSON, the configuration of the plugin `neural-network` or the artifact `model.json` of a
  ///     version.
  ///   - sample: type and shape of one sample; nil where the specification says it, as `model.json` does.
  ///   - maximumBatch: nil for what the configuration says.
  /// - Throws: `.invalidArgument` with the path of what is wrong.
  public init(
    of specification: String, sample: (datatype: DataType, shape: [Int])?, for purpose: Purpose,
    maximumBatch: Int? = nil, instructionSet: InstructionSet
  ) throws(PluginError) {
    let description = try Self.description(specification, sample)
    let configuration = description.configuration
    let network = try Network(
      configuration, sample: description.sample, for: purpose == .serving ? .serving : .training)
    let explanation: PlanExplanation
    do throws(RuntimeError) {
      if let loss = network.loss {
        explanation = try TrainingSession.explanation(
          of: network.graph, loss: loss, outputs: [network.output],
          optimizer: configuration.optimizer.optimizer, rules: configuration.rules,
          maximumBatch: maximumBatch ?? configuration.batchSize, instructionSet: instructionSet)
      } else {
        explanation = try Plan.explanation(
          of: network.graph, outputs: [network.answer],
          maximumBatch: maximumBatch ?? configuration.maxBatchSize, instructionSet: instructionSet)
      }
    } catch {
      throw PluginError(error, field: "configuration")
    }
    let report = NetworkReport(explanation, losses: [])
    text = report.report.text
    json = report.report.json.text
    drawing = report.drawing
  }

  private static func description(
    _ text: String, _ sample: (datatype: DataType, shape: [Int])?
  ) throws(PluginError) -> NetworkDescription {
    if case .object(let members) = try JSONValue(parsing: text, name: "configuration"),
      members.contains(where: { $0.key == "format" })
    {
      return try NetworkDescription(parsing: text)
    }
    let configuration = try NetworkConfiguration(parsing: text)
    guard let sample else {
      throw PluginError(
        field: "shape", "expected the shape of a sample, because the configuration does not say it")
    }
    return NetworkDescription(
      configuration: configuration,
      sample: .init(datatype: sample.datatype, shape: sample.shape))
  }
}
