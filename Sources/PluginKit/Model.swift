// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// A loaded model.
///
/// It is released when the host unloads it.
public protocol Model: AnyObject, Sendable {
  /// What a call gives. With batching, shapes are those of one row.
  var inputs: [TensorSpecification] { get }
  /// What a call answers. With batching, shapes are those of one row.
  var outputs: [TensorSpecification] { get }
  /// The most rows of one call; by default 0, no batch dimension.
  var maxBatchSize: Int { get }
  /// Whether `execute` never blocks and takes a few microseconds at most; by default false.
  var executesInline: Bool { get }
  /// Bytes held while loaded; by default 0, unknown.
  var memoryByteCount: Int { get }

  /// Answers a request. May be called from several threads at the same time.
  func execute(_ call: Execution) throws
}

extension Model {
  /// No batch dimension.
  public var maxBatchSize: Int { 0 }
  /// Runs on a worker thread.
  public var executesInline: Bool { false }
  /// Unknown.
  public var memoryByteCount: Int { 0 }
}

/// One call of a model: valid until `execute` returns.
public struct Execution {
  let table: UnsafeMutablePointer<msf_execution>

  /// Rows of this call; 0 when the model does not batch.
  public var batchSize: Int { Int(table.pointee.batch_size) }
  /// How many inputs there are: as many as the model declared.
  public var inputCount: Int { Int(table.pointee.input_count) }
  /// Whether nobody waits for the answer any more; a long call asks and throws `.cancelled`.
  public var isCancelled: Bool { table.pointee.is_cancelled(table) }

  /// The W3C trace context of the request, `00-<trace-id>-<parent-id>-<flags>`; nil where the client
  /// sent none.
  ///
  /// Of a batch of several requests that of the first that has one.
  public var traceParent: String? {
    let trace = table.pointee.traceparent
    return trace.size == 0 ? nil : String(trace)
  }

  /// Input `index`, whose type, shape and size the host has checked.
  public func input(_ index: Int) -> Tensor {
    precondition((0..<inputCount).contains(index), "no such input")
    return Tensor(table.pointee.inputs[index])
  }

  /// Memory for output `index`, to be filled before `execute` returns.
  ///
  /// - Throws: when type or shape are not what the model declared, or too large.
  public func output(
    _ index: Int, _ datatype: DataType, _ shape: [Int], byteCount: Int = 0
  ) throws -> UnsafeMutableRawBufferPointer {
    let count = byteCount > 0 ? byteCount : shape.reduce(datatype.size, *)
    let extents = shape.map(Int64.init)
    guard
      let memory = table.pointee.output(
        table, UInt32(index), datatype.rawValue, UInt32(shape.count), extents, byteCount)
    else {
      throw PluginFailure(.internal, "the host refused output \(index)")
    }
    return UnsafeMutableRawBufferPointer(start: memory, count: count)
  }

  /// Answers with an input as it is: output `index` gets its type, shape and bytes, uncopied.
  ///
  /// - Throws: when type or shape are not what the model declared.
  public func alias(output index: Int, input: Int) throws {
    precondition((0..<inputCount).contains(input), "no such input")
    let tensor = table.pointee.inputs[input]
    let status = table.pointee.output_alias(
      table, UInt32(index), UInt32(input), tensor.data_type, tensor.rank, tensor.shape)
    guard status == msf_status(MSF_OK) else {
      throw PluginFailure(.internal, "the host refused output \(index)")
    }
  }
}

extension DataType {
  /// Bytes of an element; 0 for `bytes`.
  var size: Int {
    switch self {
    case .bool, .uint8, .int8: 1
    case .uint16, .int16, .fp16, .bf16: 2
    case .uint32, .int32, .fp32: 4
    case .uint64, .int64, .fp64: 8
    case .bytes: 0
    }
  }
}
