// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Runtime

/// A slot on the host's side: one call of a worker at a time.
///
/// Belongs to one generation of the worker, whose thread for it ends with the object.
final class HostSlot: @unchecked Sendable {
  // SAFETY: used by whoever holds the lease, one call at a time; `markGone` only posts a word.
  let layout: SlotLayout
  let memory: SharedMemory
  private let mapping: SharedMapping
  private let slot: UnsafeMutablePointer<cs_slot>
  private var number: UInt32 = 0
  private var lastOutputByteCount = 0

  /// Memory that stays behind the slot, in multiples of what its calls need.
  private static let maxIdleFactor = 4
  /// How many calls pass between two looks at that memory: a look is a system call.
  private static let callsBetweenTrims: UInt32 = 16

  /// - Throws: `.resourceExhausted` when there is no memory for it.
  init(layout: SlotLayout) throws(PluginError) {
    self.layout = layout
    memory = try SharedMemory(sharing: layout.byteCount)
    guard
      let mapping = SharedMapping(
        descriptor: memory.descriptor, byteCount: layout.byteCount, isWritable: true),
      let base = mapping.memory.baseAddress
    else {
      throw PluginError(
        .resourceExhausted, "no address space for a slot of \(layout.byteCount) bytes")
    }
    self.mapping = mapping
    slot = base.assumingMemoryBound(to: cs_slot.self)
  }

  deinit {
    cs_post(cs_slot_request(slot), cs_stop)
  }

  /// Tells whoever waits that there will be no answer; the worker is dead.
  func markGone() {
    cs_post(cs_slot_response(slot), cs_gone)
  }

  /// How many bytes the inputs of an execution take in a slot.
  static func inputByteCount(of execution: PluginExecution) -> Int {
    execution.model.inputs.indices.reduce(0) {
      $0 + SlotLayout.roundUp(execution.input($1).bytes.count, SlotLayout.alignment)
    }
  }

  /// Where the inputs of these sizes lie, one behind the other.
  func inputMemories(byteCounts: [Int]) -> [UnsafeMutableRawBufferPointer] {
    var offset = layout.inputOffset
    return byteCounts.map { count in
      defer { offset += SlotLayout.roundUp(count, SlotLayout.alignment) }
      return UnsafeMutableRawBufferPointer(rebasing: mapping.memory[offset..<offset + count])
    }
  }

  /// Copies the inputs into the slot and hands the call to the worker.
  func post(_ execution: PluginExecution, model: UInt32) {
    if number % Self.callsBetweenTrims == 0 { trim() }
    var offset = layout.inputOffset
    for index in execution.model.inputs.indices {
      let input = execution.input(index)
      let tensor = cs_slot_input(slot, UInt32(index))
      tensor.pointee.data_type = input.datatype.msf
      tensor.pointee.rank = UInt32(input.rank)
      tensor.pointee.offset = UInt64(offset)
      tensor.pointee.byte_count = UInt64(input.bytes.count)
      let extents = cs_tensor_extents(tensor)
      for axis in 0..<input.rank { extents[axis] = input.extents[axis] }
      // What was lent from here lies here already.
      if let bytes = input.bytes.baseAddress, let base = mapping.memory.baseAddress,
        bytes != UnsafeRawPointer(base + offset)
      {
        cs_copy_across(base + offset, bytes, input.bytes.count)
      }
      offset += SlotLayout.roundUp(input.bytes.count, SlotLayout.alignment)
    }
    slot.pointee.model = model
    slot.pointee.batch_size = Int64(execution.batchSize)
    slot.pointee.trace_size = 0
    if let trace = execution.traceParent { write(trace) }
    cs_store(cs_slot_cancelled(slot), 0)
    number = number &+ 1
    // The two words that are no numbers come round after 2^32 calls.
    if number >= cs_gone { number = 1 }
    cs_post(cs_slot_request(slot), number)
  }

  private func write(_ trace: String) {
    var trace = trace
    trace.withUTF8 { text in
      // What is longer is no traceparent of the version that is known.
      guard text.count <= Int(cs_trace_capacity) else { return }
      UnsafeMutableRawBufferPointer(start: cs_slot_trace(slot), count: Int(cs_trace_capacity))
        .copyBytes(from: text)
      slot.pointee.trace_size = UInt32(text.count)
    }
  }

  /// What the wait for an answer came to.
  enum Answer {
    case here
    case late
    case gone
  }

  /// Waits for the answer for at most `nanoseconds`.
  func awaitAnswer(spinning: Int64, nanoseconds: Int64) -> Answer {
    let end = cs_now_nanoseconds() + nanoseconds
    var seen = cs_signal_value(cs_slot_response(slot))
    var spin = spinning
    while seen != number {
      if seen == cs_gone { return .gone }
      let left = end - cs_now_nanoseconds()
      guard left > 0 else { return .late }
      // A worker that writes other numbers gets no more than the time that it has.
      seen = cs_await(cs_slot_response(slot), seen, spin, left)
      spin = 0
    }
    return .here
  }

  /// Asks the plugin to stop; `msf_execution.is_cancelled` says so from now on.
  func cancel() {
    cs_store(cs_slot_cancelled(slot), 1)
  }

  /// Takes the answer: outputs are set, in place where their bytes may be anything, copied where
  /// they are read again.
  ///
  /// - Parameter owner: keeps the slot from being used for another call.
  /// - Throws: what the plugin reported; `.internal` for an answer that breaks the contract.
  func take(_ execution: PluginExecution, owner: AnyObject) throws(PluginError) {
    let status = slot.pointee.status
    guard status == 0 else { throw failure(status) }
    lastOutputByteCount = 0
    for index in 0..<execution.outputCount {
      // From here on nothing that the worker writes changes what is decided.
      let tensor = cs_tensor_copy(cs_slot_output(slot, UInt32(index)))
      guard tensor.is_set == 1, let datatype = DataType(msf: tensor.data_type),
        tensor.rank <= UInt32(cs_max_rank)
      else { throw Self.broken(execution, index) }
      try withUnsafeExtents(of: tensor) { (shape) throws(PluginError) in
        try take(execution, index, datatype, shape, tensor, owner)
      }
    }
  }

  private func take(
    _ execution: PluginExecution, _ index: Int, _ datatype: DataType,
    _ shape: UnsafeBufferPointer<Int64>, _ tensor: cs_tensor, _ owner: AnyObject
  ) throws(PluginError) {
    if tensor.alias >= 0 {
      try execution.aliasOutput(
        index, input: Int(tensor.alias), datatype: datatype, shape: shape)
      return
    }
    guard let offset = Int(exactly: tensor.offset), let count = Int(exactly: tensor.byte_count),
      offset >= layout.outputOffset, offset <= layout.byteCount,
      count <= layout.byteCount - offset, offset % SlotLayout.alignment == 0
    else { throw Self.broken(execution, index) }
    let bytes = UnsafeRawBufferPointer(
      rebasing: mapping.memory[offset..<offset + count])
    if datatype == .bytes {
      // The sizes inside are read again by whoever takes rows out, so they must not change.
      let copy = try execution.allocateOutput(
        index, datatype: datatype, shape: shape, byteCount: count)
      copy.copyMemory(from: bytes)
      guard BytesElements.count(in: UnsafeRawBufferPointer(copy)) == Extents.product(shape) else {
        throw Self.broken(execution, index)
      }
    } else {
      try execution.lendOutput(
        index, datatype: datatype, shape: shape, bytes: bytes, owner: owner)
    }
    lastOutputByteCount += count
  }

  /// Gives back what a worker has taken beyond what its calls need: memory behind the slot is not
  /// counted as the worker's own.
  private func trim() {
    let kept = max(lastOutputByteCount, layout.inputCapacity) * Self.maxIdleFactor
    guard cs_memory_resident(memory.descriptor) > Int64(kept) else { return }
    cs_memory_discard(
      memory.descriptor, Int64(layout.outputOffset), Int64(layout.outputCapacity))
  }

  private func failure(_ status: Int32) -> PluginError {
    let count = min(Int(slot.pointee.message_size), Int(cs_message_capacity))
    let text = UnsafeRawBufferPointer(start: cs_slot_message(slot), count: count)
    return PluginError(
      PluginError.Code(status: status), String(decoding: Array(text), as: UTF8.self))
  }

  private func withUnsafeExtents(
    of tensor: cs_tensor, _ body: (UnsafeBufferPointer<Int64>) throws(PluginError) -> Void
  ) throws(PluginError) {
    let result = withUnsafeBytes(of: tensor.extents) { bytes -> Result<Void, PluginError> in
      let extents = bytes.bindMemory(to: Int64.self)
      do throws(PluginError) {
        return .success(
          try body(UnsafeBufferPointer(rebasing: extents[..<Int(tensor.rank)])))
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  private static func broken(_ execution: PluginExecution, _ index: Int) -> PluginError {
    PluginError(
      .internal,
      "the isolated worker gave an impossible answer for output"
        + " \(execution.model.outputs[index].name)", reason: .brokeContract)
  }
}
