// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Synchronization

/// A model that is in memory, with all that belongs to it: it goes as one.
final class LoadedModel: Sendable {
  let model: any InferenceModel
  let signature: ModelSignature
  let counters: InferenceCounters
  /// As answers name it.
  let versionText: String
  private let idle = Mutex<[any InferenceExecution]>([])
  /// More than this many calls at the same time are rare; their executions are not kept.
  private static let maxIdleExecutions = 16

  /// - Parameter counters: of the model that this one takes over from.
  init(
    _ model: any InferenceModel, version: Int64,
    counters: InferenceCounters = InferenceCounters()
  ) {
    self.model = model
    self.counters = counters
    signature = ModelSignature(
      inputs: model.inputs, outputs: model.outputs, maxBatchSize: model.maxBatchSize)
    versionText = String(version)
  }

  /// An execution that nobody uses.
  func takeExecution() -> any InferenceExecution {
    idle.withLock { $0.popLast() } ?? model.makeExecution()
  }

  /// Takes back an execution after its reset.
  func giveBack(_ execution: any InferenceExecution) {
    execution.reset()
    idle.withLock { idle in
      if idle.count < Self.maxIdleExecutions { idle.append(execution) }
    }
  }
}
