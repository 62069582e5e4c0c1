// SPDX-License-Identifier: Apache-2.0

/// How many bytes a graph's compilation will take, known before they are taken.
public struct MemoryRequirement: Sendable, Hashable {
  /// Kept once: weights packed or copied; in training parameters, gradients and the optimizer's tensors.
  public var resident: Int
  /// Values between operations, for each run at the same time; those that do not live together share their place.
  public var values: Int
  /// What `values` would be if every value had a place of its own.
  public var valuesUnshared: Int
  /// Scratch memory for each thread of each run.
  public var scratchPerThread: Int

  /// All of one run on so many threads.
  public func total(threads: Int) -> Int {
    let (scratch, overflow) = scratchPerThread.multipliedReportingOverflow(by: threads)
    return overflow
      ? Int.max
      : [resident, values, scratch].reduce(0) { sum, bytes in
        let (next, overflow) = sum.addingReportingOverflow(bytes)
        return overflow ? Int.max : next
      }
  }

  init(_ program: Program, resident: Int) {
    self.resident = resident
    values = program.arenaByteCount
    valuesUnshared = program.unsharedByteCount
    scratchPerThread = program.scratchByteCount
  }
}

extension Plan {
  /// What a plan of these outputs will take.
  ///
  /// - Throws: as `init`, of which it is the part that needs no memory.
  public static func memory(
    of graph: Graph, outputs: [Graph.Value], maximumBatch: Int, instructionSet: InstructionSet,
    precision: Precision = .fp32
  ) throws(RuntimeError) -> MemoryRequirement {
    let (entries, _) = try Parameters.layout(of: graph)
    let program = try compile(
      graph, outputs: outputs, entries, maximumBatch: maximumBatch, instructionSet, precision
    ).program
    return MemoryRequirement(program, resident: try residentByteCount(program, entries))
  }

  /// What this plan takes.
  public var memory: MemoryRequirement {
    MemoryRequirement(program, resident: weightByteCount)
  }

  /// Bytes of packed weights, and of those that steps read as they are.
  private static func residentByteCount(
    _ program: Program, _ entries: [Parameters.Entry]
  ) throws(RuntimeError) -> Int {
    var end = program.residentByteCount
    for buffer in program.parametersRead {
      guard case .parameter(let offset) = program.storages[buffer.index],
        let entry = entries.first(where: { $0.offset == offset })
      else { continue }
      end += try MemoryPlanner.padded(try entry.shape.byteCount(of: .fp32))
    }
    return end
  }
}

extension TrainingSession {
  /// What a session with these settings will take, its parameters included.
  ///
  /// - Throws: as `init`, of which it is the part that needs no memory.
  public static func memory(
    of graph: Graph, loss: Graph.Value, outputs: [Graph.Value] = [], optimizer: Optimizer,
    rules: GradientRules = GradientRules(), maximumBatch: Int, instructionSet: InstructionSet
  ) throws(RuntimeError) -> MemoryRequirement {
    let (entries, floatCount) = try Parameters.layout(of: graph)
    let program = try TrainingProgram.withoutMemory(
      graph, loss: loss, outputs: outputs, optimizer: optimizer, rules: rules, entries,
      maximumBatch: maximumBatch, instructionSet: instructionSet
    ).program
    let perTensor = try Shape([floatCount]).byteCount(of: .fp32)
    let (state, overflow) = perTensor.multipliedReportingOverflow(by: 2 + optimizer.slots.count)
    let (resident, carried) = state.addingReportingOverflow(program.residentByteCount)
    guard !overflow, !carried else {
      throw RuntimeError(.tooLarge, "parameters and optimizer do not fit in 64 bits")
    }
    return MemoryRequirement(program, resident: resident)
  }
}
