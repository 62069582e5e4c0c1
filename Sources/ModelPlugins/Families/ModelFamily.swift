// SPDX-License-Identifier: Apache-2.0
import Runtime

/// A built-in family of models: what it reads, how it fits, how it serves.
///
/// `FamilyPlugin` makes a plugin of it, `FamilyTrainer` a training run of its fit.
protocol ModelFamily: Sendable {
  associatedtype Configuration: Sendable

  /// The plugin's name, such as `k-means`.
  static var name: String { get }
  /// The JSON Schema of the configuration.
  static var schema: String { get }

  init(workers: WorkerPool, instructionSet: InstructionSet)

  /// Reads a configuration; every field that is wrong is a violation.
  func parse(_ json: JSONValue) throws(PluginError) -> Configuration

  /// Checks a configuration against the types and shapes of a data set, and says what it takes.
  func check(
    _ configuration: Configuration, _ dataset: DataSetDescription
  ) throws(PluginError) -> MemoryEstimate

  /// Reads the data and prepares to fit.
  func makeFit(
    _ configuration: Configuration, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any FamilyFit

  /// Makes a model of what a fit exported.
  ///
  /// - Parameter description: the member `model` of `model.json`, to be read with the path
  ///   `model.json.model`.
  func makeModel(
    _ description: JSONValue, weights: TensorBundle
  ) throws(PluginError) -> any ModelImplementation
}

/// A fit under way, iteration by iteration; a family that fits as a whole has one.
///
/// An iteration is a function of the configuration, the seed, the data and the state before it, so
/// that a run may be interrupted between iterations and taken up again without changing a bit.
protocol FamilyFit: AnyObject {
  /// Rows that an iteration goes through.
  var sampleCount: Int { get }
  /// The most iterations.
  var iterationCount: Int { get }
  /// Whether a further iteration would change nothing; part of the state.
  var isComplete: Bool { get }

  /// Does iteration `iteration`, counted from 1.
  func iterate(
    _ iteration: Int, observer: TrainingObserver
  ) throws(PluginError) -> [TrainingMetric]
  /// Measures the model as it stands.
  func evaluate(split: String, observer: TrainingObserver) throws(PluginError) -> [TrainingMetric]
  /// All that `restore` needs.
  func state() throws(PluginError) -> TensorBundle
  /// Takes up the state after `iteration` iterations.
  func restore(_ state: TensorBundle, iteration: Int) throws(PluginError)
  /// The model as it stands.
  func export() throws(PluginError) -> FittedModel
}

extension TrainingObserver {
  /// Reports progress.
  ///
  /// - Throws: `.cancelled` when told to stop.
  func progress(
    samplesDone: Int, metrics: @autoclosure () -> [TrainingMetric] = []
  ) throws(PluginError) {
    guard report(samplesDone: samplesDone, metrics: metrics) else {
      throw PluginError(.cancelled, "training was cancelled")
    }
  }
}

/// What a fit exports.
struct FittedModel {
  /// The member `model` of `model.json`.
  var description: JSONValue
  /// The artifact `weights.safetensors`.
  var weights: TensorBundle
  /// The artifacts `report.json` and `report.txt`.
  var report: Report
  /// Further artifacts, such as `tree.svg`.
  var drawings: [(name: String, text: String)] = []
}
