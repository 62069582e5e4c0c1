// SPDX-License-Identifier: Apache-2.0
import Runtime
import Synchronization

/// A trained network that answers: one plan, and as many executions of it as there are calls at
/// once.
final class NeuralNetworkModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  let memoryByteCount: Int
  /// Even a small network takes longer than a hand-over between threads.
  let executesInline = false

  private let plan: Plan
  private let workers: WorkerPool
  private let idle = Mutex<[PlanExecution]>([])
  private let maxIdleCount: Int

  /// - Throws: `.invalidArgument` when the weights are not those of the described network.
  init(
    _ description: NetworkDescription, weights: UnsafeRawBufferPointer, workers: WorkerPool,
    instructionSet: InstructionSet
  ) throws(PluginError) {
    let configuration = description.configuration
    let network = try Network(configuration, sample: description.sample, for: .serving)
    do throws(RuntimeError) {
      let file = try SafetensorsFile(parsing: weights)
      // The initial values are all replaced, so any seed will do.
      let parameters = try Parameters(network.graph, seed: 0, instructionSet: instructionSet)
      try parameters.loadConverting(file, weights, instructionSet: instructionSet)
      plan = try Plan(
        network.graph, outputs: [network.answer], parameters: parameters,
        maximumBatch: configuration.maxBatchSize, instructionSet: instructionSet,
        precision: description.precision)
      // The first answer should not wait for memory.
      let first = try plan.makeExecution(workers: workers)
      memoryByteCount = plan.weightByteCount + first.byteCount
      idle.withLock { $0.append(first) }
    } catch {
      throw PluginError(
        error,
        field: error.field.map { "\(NetworkDescription.weightsArtifactName)[\"\($0)\"]" }
          ?? NetworkDescription.weightsArtifactName)
    }
    inputs = [
      TensorSpecification(
        name: configuration.inputTensor, datatype: description.sample.datatype,
        shape: description.sample.shape)
    ]
    outputs = [
      TensorSpecification(
        name: configuration.loss.answer == .none ? "predictions" : "probabilities",
        datatype: .fp32, shape: network.answerShape)
    ]
    maxBatchSize = configuration.maxBatchSize
    self.workers = workers
    maxIdleCount = 2 * workers.threadCount
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let rows = execution.batchSize
    let bytes = try Self.aligned(execution.input(0), of: execution)
    let run = try takeExecution()
    defer { giveBack(run) }
    do throws(RuntimeError) {
      try run.run([bytes], batch: rows)
    } catch {
      throw PluginError(error)
    }
    let answer = run.output(0)
    try execution.allocateOutput(0, datatype: .fp32, shape: [rows] + outputs[0].shape)
      .copyMemory(from: answer)
  }

  private func takeExecution() throws(PluginError) -> PlanExecution {
    if let warm = idle.withLock({ $0.popLast() }) { return warm }
    do throws(RuntimeError) {
      return try plan.makeExecution(workers: workers)
    } catch {
      throw PluginError(error)
    }
  }

  private func giveBack(_ execution: PlanExecution) {
    idle.withLock { idle in
      if idle.count < maxIdleCount { idle.append(execution) }
    }
  }

  /// The input where it is, or a copy where kernels can read it: a tensor in a message begins at
  /// any byte.
  private static func aligned(
    _ input: PluginExecution.Slot, of execution: PluginExecution
  ) throws(PluginError) -> UnsafeRawBufferPointer {
    let alignment = input.datatype.byteCount ?? 1
    guard Int(bitPattern: input.bytes.baseAddress) % alignment != 0 else { return input.bytes }
    let copy: OutputBuffer
    if let kept = execution.attachment as? OutputBuffer, kept.memory.count >= input.bytes.count {
      copy = kept
    } else if let fresh = execution.model.outputPool.take(byteCount: input.bytes.count) {
      copy = fresh
      execution.attachment = fresh
    } else {
      throw PluginError(.resourceExhausted, "no memory for an input of \(input.bytes.count) bytes")
    }
    copy.memory.copyMemory(from: input.bytes)
    return UnsafeRawBufferPointer(rebasing: copy.memory[..<input.bytes.count])
  }
}
