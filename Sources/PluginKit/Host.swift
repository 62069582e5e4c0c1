// SPDX-License-Identifier: Apache-2.0
public import CPluginABI

/// How important a line for the server's log is.
public enum LogLevel: Int32, Sendable {
  case debug = 0
  case info = 1
  case warning = 2
  case error = 3
}

/// The services of the process that loaded the plugin.
///
/// Thread-safe; valid for good.
public struct Host: @unchecked Sendable {
  // SAFETY: the ABI promises a table that never changes and functions for any thread.
  let table: UnsafePointer<msf_host>

  init(table: UnsafePointer<msf_host>) {
    self.table = table
  }

  /// The services behind what `massif_plugin_entry` gets; nil for NULL.
  public init?(_ table: HostTable) {
    guard let table else { return nil }
    self.init(table: table)
  }

  /// The instruction set that the process has settled on: `scalar`, `avx2` or `avx512`.
  public var instructionSet: String { String(table.pointee.instruction_set) }
  /// How many threads `parallelFor` uses, the calling one included.
  public var workerCount: Int { Int(table.pointee.worker_count) }

  /// Writes a line to the server's log.
  public func log(_ level: LogLevel, _ message: String) {
    message.withMSFString { table.pointee.log(table, level.rawValue, $0) }
  }

  /// Memory counted as the plugin's, aligned to 64 bytes, not cleared; nil when there is no more.
  public func allocate(byteCount: Int) -> UnsafeMutableRawBufferPointer? {
    table.pointee.allocate(table, byteCount).map {
      UnsafeMutableRawBufferPointer(start: $0, count: byteCount)
    }
  }

  /// Takes memory of `allocate` back.
  public func deallocate(_ memory: UnsafeMutableRawBufferPointer) {
    table.pointee.deallocate(table, memory.baseAddress)
  }

  /// Runs `body` for every index in `0..<count` on the server's worker threads and returns when all
  /// are done.
  public func parallelFor(_ count: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      var body = body
      withUnsafeMutablePointer(to: &body) { context in
        // SAFETY: all calls are done when parallel_for returns.
        table.pointee.parallel_for(table, count, context) { context, index in
          context?.assumingMemoryBound(to: ((Int) -> Void).self).pointee(index)
        }
      }
    }
  }
}

/// What `massif_plugin_entry` gets.
public typealias HostTable = UnsafePointer<msf_host>?
/// What `massif_plugin_entry` returns.
public typealias PluginTable = UnsafePointer<msf_plugin>?

/// Makes a plugin's table; to be returned by `massif_plugin_entry`.
///
/// Nil, after a line in the log, when the host is too old.
public func export(_ plugin: some ModelPlugin, to host: HostTable) -> PluginTable {
  guard let host else { return nil }
  let major = host.pointee.abi_major
  let minor = host.pointee.abi_minor
  guard major == UInt16(MSF_ABI_MAJOR), minor >= UInt16(MSF_ABI_MINOR) else { return nil }
  return PluginBox(plugin, host: Host(table: host)).makeTable()
}
