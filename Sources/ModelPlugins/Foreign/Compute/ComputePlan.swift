// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime
import Synchronization

/// `msf_plan`: a compiled network and the memory of as many runs as there are at once.
final class ComputePlan: Sendable {
  let plan: Plan
  /// Weights, and the memory of one run.
  let byteCount: Int
  private let workers: WorkerPool
  private let idle: Mutex<[PlanExecution]>

  init(_ plan: Plan, workers: WorkerPool) throws(RuntimeError) {
    self.plan = plan
    self.workers = workers
    // The first run should not wait for memory.
    let first = try plan.makeExecution(workers: workers)
    byteCount = plan.weightByteCount + first.byteCount
    idle = Mutex([first])
  }

  /// Runs on inputs found by name; `body` reads the outputs.
  func run<Result>(
    _ inputs: UnsafeBufferPointer<msf_tensor>, batchSize: Int64,
    _ body: (PlanExecution) throws(PluginError) -> Result
  ) throws(PluginError) -> Result {
    let bytes = try bind(inputs, to: plan.inputs)
    let copies = AlignedCopies(bytes, for: plan.inputs)
    let execution = try take()
    defer { giveBack(execution) }
    do throws(RuntimeError) {
      try withExtendedLifetime(copies) { () throws(RuntimeError) in
        try execution.run(copies.bytes, batch: Int(clamping: batchSize))
      }
    } catch {
      throw PluginError(error, field: error.field.map { "inputs.\($0)" } ?? "plan")
    }
    return try body(execution)
  }

  private func take() throws(PluginError) -> PlanExecution {
    if let warm = idle.withLock({ $0.popLast() }) { return warm }
    do throws(RuntimeError) {
      return try plan.makeExecution(workers: workers)
    } catch {
      throw PluginError(error)
    }
  }

  private func giveBack(_ execution: PlanExecution) {
    idle.withLock { idle in
      if idle.count < 2 * workers.threadCount { idle.append(execution) }
    }
  }
}

/// Inputs where kernels can read them: a tensor in a client's message begins at any byte.
private final class AlignedCopies {
  private(set) var bytes: [UnsafeRawBufferPointer]
  private var owned: [UnsafeMutableRawBufferPointer] = []

  init(_ inputs: [UnsafeRawBufferPointer], for ports: [Port]) {
    bytes = inputs
    for (index, port) in ports.enumerated() {
      let size = port.type.datatype.byteCount ?? 1
      guard Int(bitPattern: inputs[index].baseAddress) % size != 0 else { continue }
      let copy = UnsafeMutableRawBufferPointer.allocate(
        byteCount: inputs[index].count, alignment: 64)
      copy.copyMemory(from: inputs[index])
      owned.append(copy)
      bytes[index] = UnsafeRawBufferPointer(copy)
    }
  }

  deinit {
    for copy in owned { copy.deallocate() }
  }
}
