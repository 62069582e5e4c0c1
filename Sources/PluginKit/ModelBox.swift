// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// A model behind `msf_model`, with the memory of its table.
final class ModelBox {
  private let model: any Model
  private let table = UnsafeMutablePointer<msf_model>.allocate(capacity: 1)
  private let inputs: UnsafeMutablePointer<msf_tensor>
  private let outputs: UnsafeMutablePointer<msf_tensor>
  private var owned: [UnsafeMutableRawPointer] = []

  init(_ model: any Model) {
    self.model = model
    inputs = .allocate(capacity: max(1, model.inputs.count))
    outputs = .allocate(capacity: max(1, model.outputs.count))
    fill(inputs, model.inputs)
    fill(outputs, model.outputs)
  }

  deinit {
    for memory in owned { memory.deallocate() }
    inputs.deallocate()
    outputs.deallocate()
    table.deallocate()
  }

  private func fill(_ table: UnsafeMutablePointer<msf_tensor>, _ tensors: [TensorSpecification]) {
    for (index, tensor) in tensors.enumerated() {
      let shape = UnsafeMutablePointer<Int64>.allocate(capacity: max(1, tensor.shape.count))
      for (axis, extent) in tensor.shape.enumerated() { shape[axis] = Int64(extent) }
      let name = tensor.name.immortal
      owned.append(shape)
      if let bytes = name.data { owned.append(UnsafeMutableRawPointer(mutating: bytes)) }
      (table + index).initialize(
        to: msf_tensor(
          name: name, data_type: tensor.datatype.rawValue, rank: UInt32(tensor.shape.count),
          shape: shape, bytes: nil, byte_count: 0))
    }
  }

  /// The table owns the box until its destroy.
  func makeTable() -> UnsafePointer<msf_model> {
    table.initialize(to: msf_model())
    table.pointee.struct_size = UInt32(MemoryLayout<msf_model>.size)
    table.pointee.flags = model.executesInline ? UInt32(MSF_MODEL_EXECUTES_INLINE) : 0
    table.pointee.context = Unmanaged.passRetained(self).toOpaque()
    table.pointee.inputs = UnsafePointer(inputs)
    table.pointee.outputs = UnsafePointer(outputs)
    table.pointee.input_count = UInt32(model.inputs.count)
    table.pointee.output_count = UInt32(model.outputs.count)
    table.pointee.max_batch_size = Int64(model.maxBatchSize)
    table.pointee.memory_byte_count = UInt64(clamping: model.memoryByteCount)
    table.pointee.execute = { model, execution in
      guard let context = model?.pointee.context, let execution else {
        return msf_status(MSF_INTERNAL)
      }
      // SAFETY: the table holds a reference until destroy, which no call outlives.
      let box = Unmanaged<ModelBox>.fromOpaque(context).takeUnretainedValue()
      return box.execute(execution)
    }
    table.pointee.destroy = { model in
      if let context = model?.pointee.context { Unmanaged<ModelBox>.fromOpaque(context).release() }
    }
    return UnsafePointer(table)
  }

  private func execute(_ execution: UnsafeMutablePointer<msf_execution>) -> msf_status {
    do {
      try model.execute(Execution(table: execution))
      return msf_status(MSF_OK)
    } catch let failure as PluginFailure {
      if !failure.message.isEmpty {
        failure.message.withMSFString { execution.pointee.set_message(execution, $0) }
      }
      return failure.code.rawValue
    } catch {
      "\(error)".withMSFString { execution.pointee.set_message(execution, $0) }
      return msf_status(MSF_INTERNAL)
    }
  }
}
