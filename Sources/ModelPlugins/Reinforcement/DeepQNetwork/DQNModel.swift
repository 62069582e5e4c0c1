// SPDX-License-Identifier: Apache-2.0
import Runtime
import Synchronization

/// A learned network that answers: the best action for an observation, and the values of all.
final class DQNModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  let memoryByteCount: Int
  /// Even a small network takes longer than a hand-over between threads.
  let executesInline = false

  private let plan: Plan
  private let workers: WorkerPool
  private let actionCount: Int
  private let elementCount: Int
  private let idle = Mutex<[Run]>([])
  private let maxIdleCount: Int

  /// An execution with an aligned place for its input.
  private final class Run: @unchecked Sendable {
    // SAFETY: of one call at a time, as the execution is.
    let execution: PlanExecution
    let input: UnsafeMutableRawBufferPointer

    init(_ execution: PlanExecution, byteCount: Int) {
      self.execution = execution
      input = .allocate(byteCount: byteCount, alignment: 64)
    }

    deinit { input.deallocate() }
  }

  /// - Throws: `.invalidArgument` when the weights are not those of the described network.
  init(
    _ description: QNetwork.Description, weights: Artifact, workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    let network = try QNetwork(description)
    do throws(RuntimeError) {
      let file = try SafetensorsFile(parsing: weights.bytes)
      // The initial values are all replaced, so any seed will do.
      let parameters = try Parameters(network.graph, seed: 0, instructionSet: instructionSet)
      try parameters.load(file, weights.bytes)
      plan = try Plan(
        network.graph, outputs: [network.values], parameters: parameters,
        maximumBatch: description.maxBatchSize, instructionSet: instructionSet)
    } catch {
      throw PluginError(
        error, field: error.field.map { "\(weights.name)[\"\($0)\"]" } ?? weights.name)
    }
    memoryByteCount = plan.weightByteCount + plan.arenaByteCount
    elementCount = description.elementCount
    actionCount = description.actionCount
    maxBatchSize = description.maxBatchSize
    inputs = [
      TensorSpecification(
        name: "observation", datatype: .fp32, shape: description.observationShape)
    ]
    outputs = [
      TensorSpecification(name: "action", datatype: .int64, shape: [1]),
      TensorSpecification(name: "q_values", datatype: .fp32, shape: [actionCount]),
    ]
    self.workers = workers
    maxIdleCount = 2 * workers.threadCount
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let rows = execution.batchSize
    let source = execution.input(0).bytes
    let run = try take()
    defer { idle.withLock { if $0.count < maxIdleCount { $0.append(run) } } }
    // A tensor in a message begins at any byte.
    run.input.copyMemory(from: source)
    do throws(RuntimeError) {
      try run.execution.run(
        [UnsafeRawBufferPointer(rebasing: run.input[..<source.count])], batch: rows)
    } catch {
      throw PluginError(error)
    }
    let values = run.execution.output(0)
    let actions = try execution.allocateOutput(0, datatype: .int64, shape: [rows, 1])
    try execution.allocateOutput(1, datatype: .fp32, shape: [rows, actionCount])
      .copyMemory(from: values)
    let floats = values.assumingMemoryBound(to: Float.self)
    for row in 0..<rows {
      var best = row * actionCount
      for index in best..<(row + 1) * actionCount where floats[index] > floats[best] {
        best = index
      }
      actions.storeBytes(
        of: Int64(best - row * actionCount), toByteOffset: row * 8, as: Int64.self)
    }
  }

  private func take() throws(PluginError) -> Run {
    if let warm = idle.withLock({ $0.popLast() }) { return warm }
    do throws(RuntimeError) {
      return Run(
        try plan.makeExecution(workers: workers),
        byteCount: maxBatchSize * elementCount * MemoryLayout<Float>.size)
    } catch {
      throw PluginError(error)
    }
  }
}
