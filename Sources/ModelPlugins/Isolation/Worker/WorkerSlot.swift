// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Runtime

/// A slot in the worker: the thread that answers its calls, one after the other.
final class WorkerSlot: @unchecked Sendable {
  // SAFETY: used by the slot's own thread alone, once that runs.
  private let mapping: SharedMapping
  private let layout: SlotLayout
  private let slot: UnsafeMutablePointer<cs_slot>
  private let outputs: SlotOutputs
  private let models: WorkerModels
  private let isCancelled: @Sendable () -> Bool

  /// Nil when there is no memory for it.
  init?(descriptor: Int32, layout: SlotLayout, models: WorkerModels) {
    guard
      let mapping = SharedMapping(
        descriptor: descriptor, byteCount: layout.byteCount, isWritable: true),
      let base = mapping.memory.baseAddress
    else { return nil }
    self.mapping = mapping
    self.layout = layout
    self.models = models
    slot = base.assumingMemoryBound(to: cs_slot.self)
    outputs = SlotOutputs(
      UnsafeMutableRawBufferPointer(rebasing: mapping.memory[layout.outputOffset...]))
    nonisolated(unsafe) let cancelled = cs_slot_cancelled(slot)
    isCancelled = { cs_load(cancelled) != 0 }
  }

  /// Answers calls until the host has no more use for the slot.
  func run() {
    var seen: UInt32 = 0
    while true {
      let request = cs_await(
        cs_slot_request(slot), seen, SpinBudget.workerNanoseconds, -1)
      if request == cs_stop { return }
      seen = request
      answer()
      cs_post(cs_slot_response(slot), request)
    }
  }

  private func answer() {
    outputs.begin()
    do throws(PluginError) {
      guard let entry = models[slot.pointee.model] else {
        throw PluginError(.internal, "the worker does not have the model")
      }
      let execution = entry.take()
      defer {
        execution.reset()
        entry.giveBack(execution)
      }
      try execute(entry.model, execution)
      guard outputs.isIntact else {
        throw PluginError(.internal, "the plugin wrote outside of an output")
      }
      write(execution)
      slot.pointee.status = 0
    } catch {
      write(error)
    }
  }

  private func execute(
    _ model: PluginModel, _ execution: PluginExecution
  ) throws(PluginError) {
    execution.outputMemory = outputs
    execution.batchSize = Int(slot.pointee.batch_size)
    execution.isCancelled = isCancelled
    let traceSize = Int(slot.pointee.trace_size)
    if traceSize > 0 {
      let text = UnsafeRawBufferPointer(start: cs_slot_trace(slot), count: Int(cs_trace_capacity))
      execution.traceParent = String(decoding: text.prefix(traceSize), as: UTF8.self)
    }
    for index in model.inputs.indices {
      let tensor = cs_slot_input(slot, UInt32(index))
      guard let datatype = DataType(msf: tensor.pointee.data_type),
        tensor.pointee.rank <= UInt32(cs_max_rank)
      else { throw WireDecoder.malformed }
      let start = Int(tensor.pointee.offset)
      execution.setInput(
        index, datatype: datatype,
        shape: UnsafeBufferPointer(
          start: cs_tensor_extents(tensor), count: Int(tensor.pointee.rank)),
        bytes: UnsafeRawBufferPointer(
          rebasing: mapping.memory[start..<start + Int(tensor.pointee.byte_count)]),
        owner: nil)
    }
    try model.execute(execution)
  }

  /// Says where the outputs are; an output that is an input is named, not copied.
  private func write(_ execution: PluginExecution) {
    guard let base = mapping.memory.baseAddress.map({ UnsafeRawPointer($0) }) else { return }
    for index in 0..<execution.outputCount {
      let output = execution.output(index)
      let tensor = cs_slot_output(slot, UInt32(index))
      let offset = output.bytes.baseAddress.map { $0 - base } ?? layout.outputOffset
      tensor.pointee.data_type = output.datatype.msf
      let extents = output.extents
      tensor.pointee.rank = UInt32(extents.count)
      for axis in 0..<extents.count { cs_tensor_extents(tensor)[axis] = extents[axis] }
      tensor.pointee.offset = UInt64(offset)
      tensor.pointee.byte_count = UInt64(output.bytes.count)
      tensor.pointee.alias = offset < layout.outputOffset ? alias(at: offset, in: execution) : -1
      tensor.pointee.is_set = 1
    }
  }

  private func alias(at offset: Int, in execution: PluginExecution) -> Int32 {
    for index in 0..<UInt32(execution.model.inputs.count)
    where Int(cs_slot_input(slot, index).pointee.offset) == offset {
      return Int32(index)
    }
    return -1
  }

  private func write(_ error: PluginError) {
    var message = error.message
    slot.pointee.message_size = message.withUTF8 { text in
      let area = UnsafeMutableRawBufferPointer(
        start: cs_slot_message(slot), count: Int(cs_message_capacity))
      let kept = text.prefix(area.count)
      area.copyBytes(from: kept)
      return UInt32(kept.count)
    }
    slot.pointee.status = error.code.status
  }
}
