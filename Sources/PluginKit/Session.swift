// SPDX-License-Identifier: Apache-2.0
import CPluginABI

/// A network being trained; used from one thread at a time.
public final class Session {
  private let pointer: OpaquePointer
  private let table: UnsafePointer<msf_compute>

  init(_ pointer: OpaquePointer, _ table: UnsafePointer<msf_compute>) {
    self.pointer = pointer
    self.table = table
  }

  deinit {
    table.pointee.session_destroy(table, pointer)
  }

  /// Learns from `batchSize` samples and returns the loss before the step.
  public func step(
    _ inputs: [String: UnsafeRawBufferPointer], batchSize: Int
  ) throws -> Float {
    var loss: Float = 0
    try withTensors(inputs) { tensors in
      try withError {
        table.pointee.session_step(
          table, pointer, tensors.baseAddress, UInt32(tensors.count), Int64(batchSize), &loss, $0)
      }
    }
    return loss
  }

  /// An output of the last step; valid until the next.
  public func output(_ index: Int) -> UnsafeRawBufferPointer {
    var count = 0
    let bytes = table.pointee.session_output(table, pointer, UInt32(index), &count)
    return UnsafeRawBufferPointer(start: bytes, count: count)
  }

  /// Writes all that `restore` needs.
  public func save(to writer: Writer, as artifact: String) throws {
    try withError { error in
      artifact.withMSFString {
        table.pointee.session_save(table, pointer, writer.table, $0, error)
      }
    }
  }

  /// Takes up what `save` wrote and returns how many steps it had done.
  public func restore(_ bytes: UnsafeRawBufferPointer) throws -> Int {
    var steps: UInt64 = 0
    try withError {
      table.pointee.session_restore(table, pointer, bytes.baseAddress, bytes.count, &steps, $0)
    }
    return Int(clamping: steps)
  }

  /// Writes the weights alone, for `Graph.makePlan`.
  public func export(to writer: Writer, as artifact: String) throws {
    try withError { error in
      artifact.withMSFString {
        table.pointee.session_export(table, pointer, writer.table, $0, error)
      }
    }
  }
}

/// A compiled network; any number of threads run it.
public final class Plan: @unchecked Sendable {
  // SAFETY: the ABI says that a plan runs on any thread.
  private let pointer: OpaquePointer
  private let table: UnsafePointer<msf_compute>

  init(_ pointer: OpaquePointer, _ table: UnsafePointer<msf_compute>) {
    self.pointer = pointer
    self.table = table
  }

  deinit {
    table.pointee.plan_destroy(table, pointer)
  }

  /// Bytes that it holds.
  public var byteCount: Int { table.pointee.plan_byte_count(table, pointer) }

  /// Answers a call: inputs by their names, outputs in their order.
  public func execute(_ call: Execution) throws {
    let status = table.pointee.plan_execute(table, pointer, call.table)
    guard status != msf_status(MSF_OK) else { return }
    // The host has said why already; a message here would replace it.
    throw PluginFailure(PluginFailure.Code(rawValue: status) ?? .unknown, "")
  }
}

/// Calls the host with somewhere to leave an explanation.
func withError(_ body: (UnsafeMutablePointer<msf_error>) -> msf_status) throws {
  final class Text { var message = "" }
  let text = Text()
  var error = msf_error()
  error.struct_size = UInt32(MemoryLayout<msf_error>.size)
  error.context = Unmanaged.passUnretained(text).toOpaque()
  error.set_message = { error, message in
    // SAFETY: the object outlives the call that lends the table.
    guard let context = error?.pointee.context else { return }
    Unmanaged<Text>.fromOpaque(context).takeUnretainedValue().message = String(message)
  }
  error.add_violation = { _, _, _ in }
  let status = withExtendedLifetime(text) { body(&error) }
  guard status != msf_status(MSF_OK) else { return }
  throw PluginFailure(PluginFailure.Code(rawValue: status) ?? .unknown, text.message)
}

/// Lends attributes to the host for the call.
func withAttributes<Result>(
  _ attributes: [String: Attribute],
  _ body: (UnsafeBufferPointer<msf_attribute>) throws -> Result
) rethrows -> Result {
  var owned: [msf_string] = []
  defer { for text in owned { text.data?.deallocate() } }
  var list: [msf_attribute] = []
  for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
    var attribute = msf_attribute()
    attribute.name = name.immortal
    owned.append(attribute.name)
    switch value {
    case .number(let number): attribute.number = number
    case .text(let text):
      attribute.text = text.immortal
      owned.append(attribute.text)
    }
    list.append(attribute)
  }
  return try list.withUnsafeBufferPointer(body)
}

/// Lends named blocks of bytes to the host for the call.
private func withTensors(
  _ inputs: [String: UnsafeRawBufferPointer],
  _ body: (UnsafeBufferPointer<msf_tensor>) throws -> Void
) rethrows {
  var tensors: [msf_tensor] = []
  defer { for tensor in tensors { tensor.name.data?.deallocate() } }
  for (name, bytes) in inputs {
    var tensor = msf_tensor()
    tensor.name = name.immortal
    tensor.bytes = bytes.baseAddress
    tensor.byte_count = bytes.count
    tensors.append(tensor)
  }
  try tensors.withUnsafeBufferPointer(body)
}
