// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCTransport
import Runtime

/// A loaded model, as batching sees it.
///
/// Freed with the last reference.
protocol InferenceModel: AnyObject, Sendable {
  var inputs: [TensorSpecification] { get }
  var outputs: [TensorSpecification] { get }
  /// 0: no batch dimension.
  var maxBatchSize: Int { get }
  /// Whether a call is shorter than a hand-over to another thread and never blocks.
  var executesInline: Bool { get }
  /// 0: unknown.
  var memoryByteCount: Int { get }
  func makeExecution() -> any InferenceExecution
  /// Models of one group run on threads of their own; nil: on those of everybody.
  ///
  /// What may hang must not keep the others waiting.
  var executorGroup: String? { get }
  /// Whether a call would be answered now.
  var isAvailable: Bool { get }
  /// Has `body` called, from any thread, whenever `isAvailable` may have changed.
  func onAvailabilityChange(_ body: @escaping @Sendable () -> Void)
}

extension InferenceModel {
  var executorGroup: String? { nil }
  var isAvailable: Bool { true }
  func onAvailabilityChange(_ body: @escaping @Sendable () -> Void) {}
}

/// One call of a model at a time, used again and again.
protocol InferenceExecution: AnyObject, Sendable {
  /// Lends an input: a tensor with the batch dimension, where the model has one.
  func setInput(_ index: Int, _ tensor: InferTensor, datatype: DataType)
  /// Memory to put the tensors of several requests together in; nil: any. Inputs that are then set
  /// without an owner are taken to lie there.
  func lendInputs(byteCounts: [Int]) -> LentInputs?
  /// Tells the next call of its W3C trace context.
  func carry(traceParent: String)
  /// Runs the model. `isCancelled`, where there is one, may be asked now and then, from any thread.
  func execute(rows: Int, isCancelled: (@Sendable () -> Bool)?) throws(PluginError)
  /// An output of the call that has ended without an error.
  func output(_ index: Int) -> InferOutput
  /// Lets go of inputs and outputs.
  func reset()
}

extension InferenceExecution {
  func lendInputs(byteCounts: [Int]) -> LentInputs? { nil }
  func carry(traceParent: String) {}
}

/// A plugin's model.
final class PluginInferenceModel: InferenceModel {
  private let model: PluginModel

  init(_ model: PluginModel) {
    self.model = model
  }

  var inputs: [TensorSpecification] { model.inputs }
  var outputs: [TensorSpecification] { model.outputs }
  var maxBatchSize: Int { model.maxBatchSize }
  var executesInline: Bool { model.executesInline }
  var memoryByteCount: Int { model.memoryByteCount }
  var isAvailable: Bool { model.isAvailable }

  var executorGroup: String? {
    model.plugin.isolation == .isolated ? model.plugin.digest : nil
  }

  func onAvailabilityChange(_ body: @escaping @Sendable () -> Void) {
    model.onAvailabilityChange(body)
  }

  func makeExecution() -> any InferenceExecution {
    Execution(model: model, execution: model.makeExecution())
  }

  private final class Execution: InferenceExecution, @unchecked Sendable {
    // SAFETY: used by one thread at a time, as every execution is.
    let model: PluginModel
    let execution: PluginExecution
    private var lent: LentInputs?

    init(model: PluginModel, execution: PluginExecution) {
      self.model = model
      self.execution = execution
    }

    func setInput(_ index: Int, _ tensor: InferTensor, datatype: DataType) {
      tensor.withExtents {
        execution.setInput(
          index, datatype: datatype, shape: $0, bytes: tensor.bytes,
          owner: tensor.owner ?? lent?.owner)
      }
    }

    func lendInputs(byteCounts: [Int]) -> LentInputs? {
      lent = model.lendInputs(byteCounts: byteCounts, for: execution)
      return lent
    }

    func carry(traceParent: String) {
      execution.traceParent = traceParent
    }

    func execute(rows: Int, isCancelled: (@Sendable () -> Bool)?) throws(PluginError) {
      execution.batchSize = rows
      execution.isCancelled = isCancelled
      try model.execute(execution)
    }

    func output(_ index: Int) -> InferOutput {
      execution.withOutput(index) { extents, bytes, owner in
        var tensor = InferOutput()
        tensor.rank = min(extents.count, InferLimits.maxRank)
        for axis in 0..<tensor.rank { tensor.extents[axis] = extents[axis] }
        tensor.bytes = bytes
        tensor.owner = owner
        return tensor
      }
    }

    func reset() {
      lent = nil
      execution.reset()
    }
  }
}
