// SPDX-License-Identifier: Apache-2.0

/// Memory to run a plan in, reused from run to run.
///
/// One thread at a time; make one for each thread that runs at the same time. `@unchecked Sendable`
/// so that it can be handed from thread to thread by a pool of executions.
public final class PlanExecution: @unchecked Sendable {
  private let plan: Plan
  private let workers: WorkerPool
  private let memory: ProgramMemory
  private let binding: InputBinding
  private var batch = 0

  init(_ plan: Plan, workers: WorkerPool) throws(RuntimeError) {
    self.plan = plan
    self.workers = workers
    memory = try ProgramMemory(
      plan.program, workers: workers.threadCount, resident: plan.weights,
      parameters: plan.weights, gradients: nil)
    binding = InputBinding(plan.graph, plan.program, maximumBatch: plan.maximumBatch)
  }

  /// Bytes that this execution holds.
  public var byteCount: Int { memory.byteCount }

  /// Computes the outputs for `batch` samples.
  ///
  /// Allocates nothing.
  ///
  /// - Parameter inputs: one block for each of the plan's inputs, aligned to its elements, borrowed for the call.
  /// - Throws: `.invalidArgument` or `.shapeMismatch`, with the input's name as field; nothing was run then.
  public func run(_ inputs: [UnsafeRawBufferPointer], batch: Int) throws(RuntimeError) {
    try binding.bind(inputs, batch: batch, to: memory)
    workers.run(plan.program.steps, memory.frame(batch: batch))
    self.batch = batch
  }

  /// The bytes of an output of the last run; valid until the next run.
  ///
  /// - Precondition: `index` is one of the plan's outputs.
  public func output(_ index: Int) -> UnsafeRawBufferPointer {
    let type = plan.outputs[index].type
    return UnsafeRawBufferPointer(
      start: memory.pointers[plan.program.outputs[index].index],
      count: type.elementCount(batch: batch) * (type.datatype.byteCount ?? 1))
  }
}
