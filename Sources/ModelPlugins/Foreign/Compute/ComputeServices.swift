// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime

/// The extension `massif.compute/1`: the runtime as a table of C functions.
///
/// Never released: it lives as long as the host.
final class ComputeServices: @unchecked Sendable {
  // SAFETY: the table is written in `init` alone.
  let table: UnsafeMutablePointer<msf_compute>
  let workers: WorkerPool
  let instructionSet: InstructionSet

  init(workers: WorkerPool, instructionSet: InstructionSet) {
    self.workers = workers
    self.instructionSet = instructionSet
    table = .allocate(capacity: 1)
    table.initialize(to: msf_compute())
    table.pointee.struct_size = UInt32(MemoryLayout<msf_compute>.size)
    table.pointee.context = Unmanaged.passRetained(self).toOpaque()
    setGraphFunctions()
    setSessionFunctions()
    setPlanFunctions()
    table.pointee.random_words = { _, key, stream, first, words, count in
      guard let words else { return }
      let numbers = Philox(key: key, stream: stream)
      for index in 0..<count { words[index] = numbers.word(at: first &+ UInt64(index)) }
    }
    table.pointee.random_permutation = { _, key, stream, order, count in
      guard let order else { return }
      let permutation = Philox(key: key, stream: stream).permutation(Int(count))
      for (index, position) in permutation.enumerated() { order[index] = UInt32(position) }
    }
  }

  static func of(_ table: UnsafePointer<msf_compute>?) throws(PluginError) -> ComputeServices {
    guard let context = table?.pointee.context else { throw misuse }
    // SAFETY: the table holds a reference that is never released.
    return Unmanaged<ComputeServices>.fromOpaque(context).takeUnretainedValue()
  }

  /// The plugin broke the contract.
  static var misuse: PluginError {
    PluginError(.invalidArgument, "the plugin called massif.compute with a NULL")
  }

  /// The object behind a handle.
  static func object<Object: AnyObject>(
    _ handle: OpaquePointer?, as type: Object.Type
  ) throws(PluginError) -> Object {
    guard let handle else { throw misuse }
    // SAFETY: the ABI says that a handle comes from here, of this type, and is not destroyed yet.
    return Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
  }

  /// A handle that owns the object until `release`.
  static func handle(_ object: some AnyObject) -> OpaquePointer {
    OpaquePointer(Unmanaged.passRetained(object).toOpaque())
  }

  static func release<Object: AnyObject>(_ handle: OpaquePointer?, as type: Object.Type) {
    guard let handle else { return }
    Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).release()
  }

  /// Runs `body`; a failure becomes a status, its text goes to `error` where there is one.
  static func status(
    _ error: UnsafeMutablePointer<msf_error>?, _ body: () throws(PluginError) -> Void
  ) -> msf_status {
    do throws(PluginError) {
      try body()
      return msf_status(MSF_OK)
    } catch let failure {
      if let error, let setMessage = error.pointee.set_message {
        failure.message.withMSFString { setMessage(error, $0) }
      }
      return failure.code.status
    }
  }

  /// Hands bytes to the plugin's writer under a name.
  static func write(
    _ bytes: [UInt8], to writer: UnsafePointer<msf_writer>?, as artifact: msf_string
  ) throws(PluginError) {
    guard let writer, let write = writer.pointee.write else { throw misuse }
    let status = bytes.withUnsafeBytes { write(writer, artifact, $0.baseAddress, $0.count) }
    guard status == msf_status(MSF_OK) else {
      throw PluginError(PluginError.Code(status: status), "the artifact was not taken")
    }
  }

  static func extents(
    _ rank: UInt32, _ shape: UnsafePointer<Int64>?, _ what: String
  ) throws(PluginError) -> [Int] {
    guard rank <= UInt32(PluginExecution.maxRank), rank == 0 || shape != nil else {
      throw PluginError(
        field: what, "expected a rank of at most \(PluginExecution.maxRank), came \(rank)")
    }
    return UnsafeBufferPointer(start: shape, count: Int(rank)).map(Int.init)
  }
}
