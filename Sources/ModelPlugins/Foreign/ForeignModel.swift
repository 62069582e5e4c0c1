// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime

/// A model behind its C table, destroyed with the object.
final class ForeignModel: ModelImplementation, @unchecked Sendable {
  let inputs: [TensorSpecification]
  let outputs: [TensorSpecification]
  let maxBatchSize: Int
  let executesInline: Bool
  let memoryByteCount: Int

  // SAFETY: the ABI says that execute may be called from several threads, and that the table does
  // not change until destroy.
  private let pointer: UnsafePointer<msf_model>
  private let functions: msf_model
  private let plugin: String
  private let artifacts: CArtifacts

  /// - Throws: `.internal` for a table that breaks the contract; the model is destroyed if it can
  ///   be.
  init(
    _ pointer: UnsafePointer<msf_model>, of plugin: String, artifacts: CArtifacts
  ) throws(PluginError) {
    let size = pointer.pointee.struct_size
    guard size >= UInt32(MSF_MODEL_SIZE_1_0) else {
      throw PluginError(
        .internal,
        "plugin \(plugin) made a model table of \(size) bytes, expected \(MSF_MODEL_SIZE_1_0)")
    }
    let functions = readTable(pointer, byteCount: size, into: msf_model())
    guard functions.execute != nil, let destroy = functions.destroy else {
      throw PluginError(.internal, "plugin \(plugin) made a model whose function is NULL")
    }
    do throws(PluginError) {
      inputs = try Self.tensors(functions.inputs, functions.input_count, "inputs", plugin)
      outputs = try Self.tensors(functions.outputs, functions.output_count, "outputs", plugin)
    } catch {
      destroy(pointer)
      throw error
    }
    self.pointer = pointer
    self.functions = functions
    self.plugin = plugin
    self.artifacts = artifacts
    maxBatchSize = Int(functions.max_batch_size)
    executesInline = functions.flags & UInt32(MSF_MODEL_EXECUTES_INLINE) != 0
    memoryByteCount = Int(clamping: functions.memory_byte_count)
  }

  deinit {
    functions.destroy(pointer)
  }

  private static func tensors(
    _ tensors: UnsafePointer<msf_tensor>?, _ count: UInt32, _ kind: String, _ plugin: String
  ) throws(PluginError) -> [TensorSpecification] {
    guard let tensors, (1...64).contains(count) else {
      throw PluginError(
        .internal, "plugin \(plugin) made a model with \(count) \(kind), expected 1...64")
    }
    var result: [TensorSpecification] = []
    for tensor in UnsafeBufferPointer(start: tensors, count: Int(count)) {
      guard let specification = TensorSpecification(tensor) else {
        throw PluginError(
          .internal, "plugin \(plugin) made a model with an impossible tensor among its \(kind)")
      }
      result.append(specification)
    }
    return result
  }

  func execute(_ execution: PluginExecution) throws(PluginError) {
    let call: ForeignCall
    if let attachment = execution.attachment {
      // SAFETY: an execution belongs to one model, and this method alone attaches to it.
      call = unsafeDowncast(attachment, to: ForeignCall.self)
    } else {
      call = ForeignCall(inputs: inputs)
      execution.attachment = call
    }
    let status = call.run(execution) { functions.execute(pointer, $0) }
    guard status != msf_status(MSF_OK) else { return }
    throw execution.refusal
      ?? PluginError(
        PluginError.Code(status: status),
        execution.message ?? "plugin \(plugin) failed with status \(status) and said no more")
  }
}
