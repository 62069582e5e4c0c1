// SPDX-License-Identifier: Apache-2.0

/// A plugin that serves models. Conform, and export it from `massif_plugin_entry`:
///
/// ```swift
/// @c(massif_plugin_entry) public func entry(_ host: HostTable) -> PluginTable {
///   export(MyPlugin(), to: host)
/// }
/// ```
public protocol ModelPlugin: Sendable {
  /// The plugin's name, `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`.
  var name: String { get }
  /// The plugin's version, one to 64 printable ASCII characters.
  var version: String { get }
  /// The JSON Schema (2020-12) of the configuration; by default, any object.
  var configurationSchema: String { get }

  /// Checks a configuration without doing any work, and against a data set's description when there
  /// is one; by default, takes every one.
  ///
  /// - Throws: `PluginFailure` with a violation for each field that is wrong.
  func validate(configuration: String, dataset: [TensorSpecification]?) throws

  /// Says how many bytes a loaded model and a training run take; by default 0, unknown.
  func estimateMemory(
    configuration: String, dataset: [TensorSpecification]?
  ) throws -> (inference: Int, training: Int)

  /// Makes a model of a version's artifacts. May be called from several threads at the same time.
  func makeModel(_ request: ModelRequest) throws -> any Model
}

extension ModelPlugin {
  /// Any object.
  public var configurationSchema: String { #"{"type":"object"}"# }
  /// Takes every configuration.
  public func validate(configuration: String, dataset: [TensorSpecification]?) throws {}
  /// Unknown.
  public func estimateMemory(
    configuration: String, dataset: [TensorSpecification]?
  ) throws -> (inference: Int, training: Int) { (0, 0) }
}

/// A plugin that trains models as well.
public protocol TrainingPlugin: ModelPlugin {
  /// Prepares a training run. May be called from several threads at the same time.
  func makeTrainer(_ request: TrainerRequest) throws -> any Trainer
}

/// What a model is made of.
public struct ModelRequest {
  /// The host's services.
  public let host: Host
  /// The configuration, a JSON object.
  public let configuration: String
  /// The version's files; their bytes are valid while the model lives.
  public let artifacts: [Artifact]

  /// The bytes of the artifact of that name.
  ///
  /// - Throws: `.notFound` when there is none.
  public func artifact(_ name: String) throws -> UnsafeRawBufferPointer {
    guard let artifact = artifacts.first(where: { $0.name == name }) else {
      throw PluginFailure(.notFound, "the model has no artifact \(name)")
    }
    return artifact.bytes
  }
}

/// What a training run is made of.
public struct TrainerRequest {
  /// The host's services.
  public let host: Host
  /// The configuration, a JSON object.
  public let configuration: String
  /// The only source of randomness.
  public let seed: UInt64
  /// The data set's tensors, `<split>/<role>`; their bytes are valid while the trainer lives.
  public let dataset: [Tensor]
}

/// Named bytes that the host lends.
public struct Artifact {
  /// The file name.
  public let name: String
  /// The bytes.
  public let bytes: UnsafeRawBufferPointer
}

/// Why a plugin refuses or fails; the client sees it.
public struct PluginFailure: Error, Sendable {
  /// The kind of failure, by gRPC's numbers.
  public enum Code: Int32, Sendable {
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case notFound = 5
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14
    case dataLoss = 15
  }

  /// The kind of failure.
  public var code: Code
  /// What was wrong, what was expected and what to do.
  public var message: String
  /// What is wrong with which field, by its path: `configuration.rate`.
  public var violations: [(field: String, description: String)]

  /// Makes a failure.
  public init(
    _ code: Code, _ message: String, violations: [(field: String, description: String)] = []
  ) {
    self.code = code
    self.message = message
    self.violations = violations
  }
}
