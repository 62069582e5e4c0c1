// SPDX-License-Identifier: Apache-2.0

// The boundary as Swift sees it. It has the shape of `massif_plugin.h`: `Foreign/` implements it
// over the C table of a loaded library, the built-in families implement it directly, and the public
// types (`ModelPlugin`, `PluginModel`, `PluginTrainer`) do all checking that must hold for both.

/// What a plugin does.
protocol PluginImplementation: Sendable {
  func validate(configuration: String, dataset: DataSetDescription?) throws(PluginError)

  func estimateMemory(
    configuration: String, dataset: DataSetDescription?
  ) throws(PluginError) -> MemoryEstimate

  func makeModel(
    artifacts: [Artifact], configuration: String
  ) throws(PluginError) -> any ModelImplementation

  func makeTrainer(
    configuration: String, seed: UInt64, dataset: DataSetView
  ) throws(PluginError) -> any TrainerImplementation

  /// The files of a version in a narrower type.
  func quantize(
    _ request: QuantizationRequest, isCancelled: @Sendable () -> Bool
  ) throws(PluginError) -> QuantizedModel
}

/// What a model does.
///
/// `execute` may be called from several threads at the same time.
protocol ModelImplementation: AnyObject, Sendable {
  var inputs: [TensorSpecification] { get }
  var outputs: [TensorSpecification] { get }
  /// 0: no batch dimension.
  var maxBatchSize: Int { get }
  var executesInline: Bool { get }
  /// 0: unknown.
  var memoryByteCount: Int { get }

  /// Memory in which the inputs of the execution's next call would be no further copy; nil where
  /// any memory is as good.
  func lendInputs(byteCounts: [Int], for execution: PluginExecution) -> LentInputs?

  /// Reads the execution's checked inputs and allocates its outputs.
  func execute(_ execution: PluginExecution) throws(PluginError)

  /// Whether a call would be answered now; a model in this process always does.
  var isAvailable: Bool { get }
  /// Has `body` called, from any thread, whenever `isAvailable` may have changed.
  func onAvailabilityChange(_ body: @escaping @Sendable () -> Void)
}

extension ModelImplementation {
  func lendInputs(byteCounts: [Int], for execution: PluginExecution) -> LentInputs? { nil }
  var isAvailable: Bool { true }
  func onAvailabilityChange(_ body: @escaping @Sendable () -> Void) {}
}

/// What a training run does; one call at a time.
protocol TrainerImplementation: AnyObject {
  var epochCount: Int { get }
  var sampleCount: Int { get }
  var stepCount: Int { get }

  func trainEpoch(_ epoch: Int, observer: TrainingObserver) throws(PluginError)
  func trainStep(_ step: Int, epoch: Int, observer: TrainingObserver) throws(PluginError)
  /// Whether `partialFit` is offered.
  var supportsPartialFit: Bool { get }
  /// Goes on learning from the samples of another data set.
  func partialFit(_ dataset: DataSetView, observer: TrainingObserver) throws(PluginError)
  func evaluate(split: String, observer: TrainingObserver) throws(PluginError)
  func checkpoint(to writer: ArtifactSink) throws(PluginError)
  /// How many epochs the checkpoint had completed.
  func restore(from artifacts: [Artifact]) throws(PluginError) -> Int
  func export(to writer: ArtifactSink) throws(PluginError)
}

extension TrainerImplementation {
  var supportsPartialFit: Bool { false }

  func partialFit(_ dataset: DataSetView, observer: TrainingObserver) throws(PluginError) {
    throw PluginError(.unimplemented, "this plugin does not go on learning from further samples")
  }
}
