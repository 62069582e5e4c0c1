// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A model family as a plugin.
struct FamilyPlugin<Family: ModelFamily>: PluginImplementation {
  private let family: Family

  /// The plugin as the registry lists it.
  static func make(
    workers: WorkerPool, instructionSet: InstructionSet, limits: PluginLimits
  ) -> ModelPlugin {
    ModelPlugin(
      name: Family.name, version: "1.0.0", digest: "", isBuiltIn: true,
      abiVersion: HostServices.abiVersion, capabilities: [.inference, .training],
      configurationSchema: Family.schema, limits: limits,
      implementation: FamilyPlugin(
        family: Family(workers: workers, instructionSet: instructionSet)))
  }

  func validate(configuration: String, dataset: DataSetDescription?) throws(PluginError) {
    let configuration = try family.parse(Self.json(configuration))
    if let dataset { _ = try family.check(configuration, dataset) }
  }

  func estimateMemory(
    configuration: String, dataset: DataSetDescription?
  ) throws(PluginError) -> MemoryEstimate {
    let configuration = try family.parse(Self.json(configuration))
    guard let dataset else { return MemoryEstimate() }
    return try family.check(configuration, dataset)
  }

  func makeModel(
    artifacts: [Artifact], configuration: String
  ) throws(PluginError) -> any ModelImplementation {
    let file = try ModelFile<Family>(artifacts)
    return try family.makeModel(file.description, weights: file.weights)
  }

  func makeTrainer(
    configuration: String, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any TrainerImplementation {
    let json = try Self.json(configuration)
    let configuration = try family.parse(json)
    _ = try family.check(configuration, dataset.description)
    let fit = try family.makeFit(configuration, seed: seed, dataset: dataset)
    return FamilyTrainer<Family>(fit: fit, configuration: json, seed: seed)
  }

  private static func json(_ configuration: String) throws(PluginError) -> JSONValue {
    let json = try JSONValue(parsing: configuration, name: "configuration")
    guard case .object = json else {
      throw PluginError(field: "configuration", "expected an object, came \(json.excerpt)")
    }
    return json
  }
}

/// The artifacts that every family's model consists of.
struct ModelFile<Family: ModelFamily> {
  static var descriptionName: String { "model.json" }
  static var weightsName: String { "weights.safetensors" }
  private static var format: String { "massif.\(Family.name)/1" }

  /// The member `model` of `model.json`.
  let description: JSONValue
  let weights: TensorBundle

  /// - Throws: `.failedPrecondition` when an artifact is missing, `.invalidArgument` for one of
  ///   another family or format.
  init(_ artifacts: [Artifact]) throws(PluginError) {
    func artifact(_ name: String) throws(PluginError) -> Artifact {
      guard let artifact = artifacts.first(where: { $0.name == name }) else {
        throw PluginError(.failedPrecondition, "the model version has no artifact \(name)")
      }
      return artifact
    }
    let name = Self.descriptionName
    let text = try artifact(name)
    let json = try JSONValue(parsing: String(decoding: text.bytes, as: UTF8.self), name: name)
    guard json["format"] == .string(Self.format) else {
      throw PluginError(
        field: "\(name).format",
        "expected \"\(Self.format)\", came \(json["format"]?.excerpt ?? "nothing")")
    }
    guard let description = json["model"] else {
      throw PluginError(field: "\(name).model", "expected an object, came nothing")
    }
    self.description = description
    let file = try artifact(Self.weightsName)
    weights = try TensorBundle(parsing: file.bytes, name: Self.weightsName)
  }

  /// The text of `model.json`.
  static func text(_ description: JSONValue) -> String {
    (["format": .string(format), "model": description] as JSONValue).text + "\n"
  }
}
