// SPDX-License-Identifier: Apache-2.0

/// A graph compiled for inference with parameters that change between runs, such as those of a training session,
/// read where they are.
///
/// A `Plan` copies what it needs, once; this one is told to look again. One thread at a time.
public final class LivePlan {
  /// What a run reads, the graph's inputs that the outputs depend on, in the order of `run`'s arguments.
  public var inputs: [Port] { binding.ports }
  /// The largest batch.
  public let maximumBatch: Int

  private let program: Program
  private let memory: ProgramMemory
  private let binding: InputBinding
  private let workers: WorkerPool
  private let outputTypes: [TensorType]
  private var batch = 0

  /// Compiles the part of `graph` that leads to `outputs`.
  ///
  /// - Parameter parameters: made for `graph`; kept and read in every run.
  /// - Throws: as `Plan.init`.
  public init(
    _ graph: Graph, outputs: [Graph.Value], parameters: Parameters, maximumBatch: Int,
    workers: WorkerPool, instructionSet: InstructionSet
  ) throws(RuntimeError) {
    guard maximumBatch >= 1 else {
      throw RuntimeError(
        .invalidArgument, "expected 1 or more; came \(maximumBatch)", field: "maximumBatch")
    }
    let fused = graph.fused(keeping: outputs)
    var builder = ProgramBuilder(
      fused, outputs: outputs, mode: .inference, maximumBatch: maximumBatch,
      instructionSet: instructionSet, parameterOffsets: parameters.entries.map { $0.offset })
    try builder.emitNodes()
    program = try builder.build(outputs: outputs)
    memory = try ProgramMemory(
      program, workers: workers.threadCount,
      resident: try AlignedMemory(byteCount: program.residentByteCount),
      parameters: parameters.memory, gradients: nil)
    binding = InputBinding(fused, program, maximumBatch: maximumBatch)
    outputTypes = outputs.map { graph.type(of: $0) }
    self.workers = workers
    self.maximumBatch = maximumBatch
    refresh()
  }

  /// Packs the parameters anew; to be called when they have changed.
  public func refresh() {
    workers.run(program.prologue, memory.frame(batch: 1))
  }

  /// Computes the outputs for `batch` samples.
  ///
  /// Allocates nothing.
  ///
  /// - Parameter inputs: one block for each of the plan's inputs, aligned to its elements, borrowed for the call.
  /// - Throws: `.invalidArgument` or `.shapeMismatch`, with the input's name as field; nothing was run then.
  public func run(_ inputs: [UnsafeRawBufferPointer], batch: Int) throws(RuntimeError) {
    try binding.bind(inputs, batch: batch, to: memory)
    workers.run(program.steps, memory.frame(batch: batch))
    self.batch = batch
  }

  /// The bytes of an output of the last run; valid until the next run.
  ///
  /// - Precondition: `index` is one of the plan's outputs.
  public func output(_ index: Int) -> UnsafeRawBufferPointer {
    let type = outputTypes[index]
    return UnsafeRawBufferPointer(
      start: memory.pointers[program.outputs[index].index],
      count: type.elementCount(batch: batch) * (type.datatype.byteCount ?? 1))
  }
}
