// SPDX-License-Identifier: Apache-2.0

/// A graph compiled for inference: fused, its memory laid out, its weights packed.
///
/// Immutable; any number of executions share it.
public final class Plan: Sendable {
  /// What a run reads, the graph's inputs that the outputs depend on, in the order of `PlanExecution.run`'s arguments.
  public let inputs: [Port]
  /// What a run computes.
  public let outputs: [Port]
  /// The largest batch.
  public let maximumBatch: Int
  /// Bytes of weights that the plan keeps.
  public var weightByteCount: Int { weights.byteCount }
  /// Bytes that each execution takes, scratch memory of the workers apart.
  public var arenaByteCount: Int { program.arenaByteCount }
  /// The kernels that it uses.
  public let instructionSet: InstructionSet

  let program: Program
  let weights: AlignedMemory
  let graph: Graph

  /// Compiles the part of `graph` that leads to `outputs`.
  ///
  /// - Parameters:
  ///   - parameters: made for `graph`; what is needed of it is copied.
  ///   - maximumBatch: memory is laid out for so many samples; any smaller number may come.
  ///   - precision: what its products are computed in.
  /// - Throws: `.invalidArgument` or `.tooLarge`, before memory is taken, `.unsupported` for what has no kernel.
  public init(
    _ graph: Graph, outputs: [Graph.Value], parameters: Parameters, maximumBatch: Int,
    instructionSet: InstructionSet, precision: Precision = .fp32
  ) throws(RuntimeError) {
    let (fused, live) = try Plan.compile(
      graph, outputs: outputs, parameters.entries, maximumBatch: maximumBatch, instructionSet,
      precision)
    let packed = try Plan.resident(live, parameters)
    program = packed.program
    weights = packed.memory
    self.graph = fused
    self.instructionSet = instructionSet
    self.maximumBatch = maximumBatch
    inputs = fused.ports
    self.outputs = outputs.map { Port(name: graph.name(of: $0) ?? "", type: graph.type(of: $0)) }
  }

  /// Fuses the graph and emits its steps; takes no memory.
  static func compile(
    _ graph: Graph, outputs: [Graph.Value], _ parameters: [Parameters.Entry], maximumBatch: Int,
    _ instructionSet: InstructionSet, _ precision: Precision = .fp32
  ) throws(RuntimeError) -> (graph: Graph, program: Program) {
    guard maximumBatch >= 1 else {
      throw RuntimeError(
        .invalidArgument, "expected 1 or more; came \(maximumBatch)", field: "maximumBatch")
    }
    // Narrowing looks for products as they are, so it comes before what wraps them.
    let fused = try graph.fused(keeping: outputs, foldsNormalizations: true)
      .narrowed(to: precision, keeping: outputs)
      .withResiduals(keeping: outputs)
      .withElementwiseChains(keeping: outputs, instructionSet)
    var builder = ProgramBuilder(
      fused, outputs: outputs, mode: .inference, maximumBatch: maximumBatch,
      instructionSet: instructionSet, parameterOffsets: parameters.map { $0.offset })
    try builder.emitNodes()
    return (fused, try builder.build(outputs: outputs))
  }

  /// Makes the memory for runs, one at a time.
  ///
  /// - Throws: `.tooLarge` when memory is short.
  public func makeExecution(workers: WorkerPool) throws(RuntimeError) -> PlanExecution {
    try PlanExecution(self, workers: workers)
  }

  /// Runs the prologue and gathers all weights that steps read in memory of the plan's own.
  private static func resident(
    _ live: Program, _ parameters: Parameters
  ) throws(RuntimeError) -> (program: Program, memory: AlignedMemory) {
    var storages = live.storages
    var end = live.residentByteCount
    var copies: [(from: Int, to: Int, byteCount: Int)] = []
    for buffer in live.parametersRead {
      guard case .parameter(let offset) = storages[buffer.index],
        let entry = parameters.entries.first(where: { $0.offset == offset })
      else { continue }
      let byteCount = try entry.shape.byteCount(of: .fp32)
      copies.append((offset, end, byteCount))
      for index in storages.indices where storages[index] == .parameter(offset: offset) {
        storages[index] = .resident(offset: end)
      }
      end += try MemoryPlanner.padded(byteCount)
    }
    let memory = try AlignedMemory(byteCount: end)
    for copy in copies {
      (memory.base + copy.to).copyMemory(
        from: parameters.memory.floats + copy.from, byteCount: copy.byteCount)
    }
    let scratch = try ProgramMemory(
      live.prologueOnly, workers: 1, resident: memory, parameters: parameters.memory,
      gradients: nil)
    for step in live.prologue {
      let frame = scratch.frame(batch: 1)
      for tile in 0..<step.tiles(1) { step.body(frame, tile, 0) }
    }
    return (live.replacing(storages: storages), memory)
  }
}
