// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime

/// The `msf_execution` of one `PluginExecution`, kept with it so that a call makes no tables.
final class ForeignCall {
  private let table: UnsafeMutablePointer<msf_execution>
  private let inputs: CTensors
  private let inputCount: Int

  init(inputs specifications: [TensorSpecification]) {
    inputs = CTensors(specifications)
    inputCount = specifications.count
    table = .allocate(capacity: 1)
    table.initialize(to: msf_execution())
    table.pointee.struct_size = UInt32(MemoryLayout<msf_execution>.size)
    table.pointee.input_count = UInt32(specifications.count)
    table.pointee.inputs = UnsafePointer(inputs.tensors.baseAddress)
    table.pointee.output = { execution, index, dataType, rank, shape, byteCount in
      ForeignCall.of(execution)?.allocate(index, dataType, rank, shape, byteCount)
    }
    table.pointee.output_alias = { execution, index, input, dataType, rank, shape in
      ForeignCall.of(execution)?.alias(index, input, dataType, rank, shape)
        ?? msf_status(MSF_INTERNAL)
    }
    table.pointee.is_cancelled = { execution in
      ForeignCall.of(execution)?.shouldStop ?? true
    }
    table.pointee.set_message = { execution, message in
      ForeignCall.of(execution)?.message = String(message, limit: ErrorSink.maxTextByteCount)
    }
  }

  deinit {
    table.deallocate()
  }

  /// Lends the execution to `body` for one call.
  func run(
    _ execution: PluginExecution, _ body: (UnsafeMutablePointer<msf_execution>) -> msf_status
  ) -> msf_status {
    for index in 0..<inputCount {
      let input = execution.input(index)
      inputs.tensors[index].rank = UInt32(input.rank)
      inputs.tensors[index].shape = UnsafePointer(input.extents)
      inputs.tensors[index].bytes = input.bytes.baseAddress
      inputs.tensors[index].byte_count = input.bytes.count
    }
    table.pointee.batch_size = Int64(execution.batchSize)
    table.pointee.context = Unmanaged.passUnretained(execution).toOpaque()
    // A plugin that keeps the table beyond the call finds nobody there.
    defer { table.pointee.context = nil }
    guard var trace = execution.traceParent else {
      return withExtendedLifetime(execution) { body(table) }
    }
    return trace.withUTF8 { text in
      text.withMemoryRebound(to: CChar.self) { text in
        table.pointee.traceparent = msf_string(data: text.baseAddress, size: text.count)
        defer { table.pointee.traceparent = msf_string() }
        return withExtendedLifetime(execution) { body(table) }
      }
    }
  }

  private static func of(_ table: UnsafePointer<msf_execution>?) -> PluginExecution? {
    // SAFETY: `run` keeps the execution alive for as long as the context is set.
    table?.pointee.context.map { Unmanaged<PluginExecution>.fromOpaque($0).takeUnretainedValue() }
  }
}

extension PluginExecution {
  /// `msf_execution.output`.
  fileprivate func allocate(
    _ index: UInt32, _ dataType: msf_data_type, _ rank: UInt32, _ shape: UnsafePointer<Int64>?,
    _ byteCount: Int
  ) -> UnsafeMutableRawPointer? {
    refused { () throws(PluginError) in
      let (datatype, extents) = try Self.checked(dataType, rank, shape)
      let exact = byteCount != 0 || datatype == .bytes ? byteCount : nil
      return try allocateOutput(Int(index), datatype: datatype, shape: extents, byteCount: exact)
    }?.baseAddress
  }

  /// `msf_execution.output_alias`.
  fileprivate func alias(
    _ index: UInt32, _ input: UInt32, _ dataType: msf_data_type, _ rank: UInt32,
    _ shape: UnsafePointer<Int64>?
  ) -> msf_status {
    let done: Void? = refused { () throws(PluginError) in
      let (datatype, extents) = try Self.checked(dataType, rank, shape)
      try aliasOutput(Int(index), input: Int(input), datatype: datatype, shape: extents)
    }
    return done == nil ? refusal?.code.status ?? msf_status(MSF_INTERNAL) : msf_status(MSF_OK)
  }

  /// Runs `body` and keeps the first refusal for when the plugin returns.
  private func refused<Value>(_ body: () throws(PluginError) -> Value) -> Value? {
    do throws(PluginError) {
      return try body()
    } catch {
      if refusal == nil { refusal = error }
      return nil
    }
  }

  private static func checked(
    _ dataType: msf_data_type, _ rank: UInt32, _ shape: UnsafePointer<Int64>?
  ) throws(PluginError) -> (DataType, UnsafeBufferPointer<Int64>) {
    guard let datatype = DataType(msf: dataType), rank <= UInt32(maxRank),
      rank == 0 || shape != nil
    else {
      throw PluginError(
        .internal, "the plugin gave an output data type \(dataType) and rank \(rank)")
    }
    return (datatype, UnsafeBufferPointer(start: shape, count: Int(rank)))
  }
}
