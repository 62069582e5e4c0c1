// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Runtime

/// A model in a worker; made again there when the worker is started again, destroyed with the object.
final class IsolatedModel: ModelImplementation {
  let inputs: [TensorSpecification]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  let memoryByteCount: Int
  /// A call waits for another process.
  let executesInline = false

  private let number: UInt32
  private let plugin: IsolatedPlugin

  init(_ number: UInt32, _ model: WireModel, of plugin: IsolatedPlugin) {
    self.number = number
    self.plugin = plugin
    inputs = model.inputs
    outputs = model.outputs
    maxBatchSize = model.maxBatchSize
    memoryByteCount = model.memoryByteCount
  }

  deinit {
    plugin.supervisor.removeModel(number)
  }

  var isAvailable: Bool { plugin.supervisor.isServing(number) }

  func onAvailabilityChange(_ body: @escaping @Sendable () -> Void) {
    plugin.supervisor.onChange(of: number, body)
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let process = try plugin.supervisor.process(for: number)
    let lease = try lease(for: execution, in: process)
    lease.slot.post(execution, model: number)
    try waitForAnswer(in: lease.slot, execution, process)
    do throws(PluginError) {
      try lease.slot.take(execution, owner: lease)
    } catch {
      if error.code == .resourceExhausted { endIfFull(process) }
      throw error
    }
  }

  /// The slot of the execution's last call if nobody reads its outputs any more, or another.
  private func lease(
    for execution: PluginExecution, in process: IsolatedProcess
  ) throws(PluginError) -> SlotLease {
    try lease(for: execution, in: process, inputByteCount: HostSlot.inputByteCount(of: execution))
  }

  private func lease(
    for execution: PluginExecution, in process: IsolatedProcess, inputByteCount needed: Int
  ) throws(PluginError) -> SlotLease {
    let kept = kept(by: execution)
    let isLent = kept.isLent
    kept.isLent = false
    if let lease = kept.lease, lease.process === process,
      lease.slot.layout.inputCapacity >= needed,
      isLent || isKnownUniquelyReferenced(&kept.lease)
    {
      return lease
    }
    kept.lease = nil
    let lease = SlotLease(
      try process.takeSlot(
        inputByteCount: needed, maxOutputByteCount: plugin.limits.maxOutputByteCount),
      of: process)
    kept.lease = lease
    return lease
  }

  private func kept(by execution: PluginExecution) -> KeptLease {
    if let attachment = execution.attachment as? KeptLease { return attachment }
    let kept = KeptLease()
    execution.attachment = kept
    return kept
  }

  func lendInputs(byteCounts: [Int], for execution: PluginExecution) -> LentInputs? {
    let needed = byteCounts.reduce(0) { $0 + SlotLayout.roundUp($1, SlotLayout.alignment) }
    // Without a worker there is a better moment to say so: the call.
    guard let process = try? plugin.supervisor.process(for: number),
      let lease = try? lease(for: execution, in: process, inputByteCount: needed)
    else { return nil }
    kept(by: execution).isLent = true
    return LentInputs(lease.slot.inputMemories(byteCounts: byteCounts), owner: lease) {
      cs_copy_across($0, $1.baseAddress ?? UnsafeRawPointer($0), $1.count)
    }
  }

  /// How often a call that sleeps looks whether it is still wanted.
  private static let cancellationInterval: Int64 = 5_000_000

  private func waitForAnswer(
    in slot: HostSlot, _ execution: PluginExecution, _ process: IsolatedProcess
  ) throws(PluginError) {
    let configuration = plugin.configuration
    var spin = SpinBudget.hostNanoseconds
    let limit = cs_now_nanoseconds() + configuration.callTimeout.nanoseconds
    var end = limit
    while true {
      let answer = slot.awaitAnswer(
        spinning: spin,
        nanoseconds: min(Self.cancellationInterval, end - cs_now_nanoseconds()))
      switch answer {
      case .here: return
      case .gone: throw process.waitForEnd().error
      case .late: break
      }
      spin = 0
      let now = cs_now_nanoseconds()
      if now >= end {
        process.stop(.hung)
        // Nobody may write into the slot when it is used again.
        _ = process.waitForEnd()
        throw PluginError(
          .deadlineExceeded,
          end < limit
            ? "the isolated plugin did not stop within \(configuration.cancellationGrace) of its"
              + " caller's end and was ended"
            : "the isolated plugin took longer than \(configuration.callTimeout) and was ended",
          reason: .timedOut)
      }
      if end == limit, execution.shouldStop {
        slot.cancel()
        end = min(limit, now + configuration.cancellationGrace.nanoseconds)
      }
    }
  }

  /// A worker whose memory is used up and stays so answers nothing any more: it starts anew.
  private func endIfFull(_ process: IsolatedProcess) {
    let limit = plugin.configuration.maxMemoryByteCount
    guard limit > 0, let used = process.privateByteCount, used > limit - limit / 8 else { return }
    process.stop(.outOfMemory)
  }

  /// What an execution keeps for its next call.
  private final class KeptLease {
    var lease: SlotLease?
    /// Whether the next call's inputs were put into it, so that it is that call's alone.
    var isLent = false
  }
}

/// A slot in use: by a call, and then by those who read its outputs.
private final class SlotLease {
  let slot: HostSlot
  let process: IsolatedProcess

  init(_ slot: HostSlot, of process: IsolatedProcess) {
    self.slot = slot
    self.process = process
  }

  deinit {
    process.giveBack(slot)
  }
}
