// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Glibc
import Runtime
import Synchronization

/// What the host lends to one plugin through `msf_host`.
///
/// Never released: a plugin never ends.
final class HostServices: @unchecked Sendable {
  // SAFETY: the table is written in `init` alone.
  let table: UnsafeMutablePointer<msf_host>
  /// Bytes that the plugin holds of what `allocate` lent.
  let allocatedByteCount = Atomic<Int>(0)

  private let maxAllocatedByteCount: Int
  private let workers: WorkerPool
  private let compute: ComputeServices
  private let log: @Sendable (LogLevel, String) -> Void
  /// The plugin's name for the log; the start of its digest until it has said its name.
  private let label: Mutex<String>

  init(
    label: String, workers: WorkerPool, instructionSet: InstructionSet,
    limits: PluginLimits = PluginLimits(), log: @escaping @Sendable (LogLevel, String) -> Void
  ) {
    self.workers = workers
    maxAllocatedByteCount = limits.maxAllocatedByteCount
    compute = ComputeServices(workers: workers, instructionSet: instructionSet)
    self.log = log
    self.label = Mutex(label)
    table = .allocate(capacity: 1)
    table.initialize(to: msf_host())
    table.pointee.struct_size = UInt32(MemoryLayout<msf_host>.size)
    table.pointee.abi_major = UInt16(MSF_ABI_MAJOR)
    table.pointee.abi_minor = UInt16(MSF_ABI_MINOR)
    table.pointee.context = Unmanaged.passRetained(self).toOpaque()
    table.pointee.instruction_set = Self.immortal(instructionSet.name)
    table.pointee.worker_count = UInt32(workers.threadCount)
    table.pointee.log = { host, level, message in
      HostServices.of(host)?.write(level, message)
    }
    table.pointee.allocate = { host, byteCount in
      HostServices.of(host)?.allocate(byteCount)
    }
    table.pointee.deallocate = { host, memory in
      HostServices.of(host)?.deallocate(memory)
    }
    table.pointee.parallel_for = { host, count, context, body in
      guard let services = HostServices.of(host), let body, count <= Int.max else { return }
      services.parallelFor(Int(count), context, body)
    }
    table.pointee.extension = { host, id in
      guard let services = HostServices.of(host), let id, strcmp(id, MSF_COMPUTE) == 0 else {
        return nil
      }
      return UnsafeRawPointer(services.compute.table)
    }
  }

  /// The version of the ABI that this host has.
  static let abiVersion = "\(MSF_ABI_MAJOR).\(MSF_ABI_MINOR)"

  /// Names the plugin in the log from now on.
  func rename(_ name: String) {
    label.withLock { $0 = name }
  }

  private static func of(_ host: UnsafePointer<msf_host>?) -> HostServices? {
    // SAFETY: the table holds a reference that is never released.
    host?.pointee.context.map { Unmanaged<HostServices>.fromOpaque($0).takeUnretainedValue() }
  }

  private static func immortal(_ text: String) -> msf_string {
    let utf8 = Array(text.utf8)
    let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: max(1, utf8.count))
    for (index, byte) in utf8.enumerated() { bytes[index] = CChar(bitPattern: byte) }
    return msf_string(data: bytes, size: utf8.count)
  }

  private func write(_ level: msf_log_level, _ message: msf_string) {
    let text = String(message, limit: 8192) ?? ""
    // One line stays one line: a plugin cannot forge another's.
    let line = text.map { $0.isNewline ? " " : String($0) }.joined()
    log(LogLevel(rawValue: Int(level)) ?? .info, "plugin \(label.withLock { $0 }): \(line)")
  }

  /// Before each block stands its size, in a line of its own so that the block stays aligned.
  private static let headerByteCount = 64

  private func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    var block: UnsafeMutableRawPointer?
    let (total, overflow) = byteCount.addingReportingOverflow(Self.headerByteCount)
    // Also so that the sum below stays a number.
    guard (0...maxAllocatedByteCount).contains(byteCount), !overflow else { return nil }
    let held = allocatedByteCount.add(byteCount, ordering: .relaxed)
    guard held.newValue <= maxAllocatedByteCount, posix_memalign(&block, 64, total) == 0,
      let block
    else {
      allocatedByteCount.subtract(byteCount, ordering: .relaxed)
      return nil
    }
    block.storeBytes(of: byteCount, as: Int.self)
    return block + Self.headerByteCount
  }

  private func deallocate(_ memory: UnsafeMutableRawPointer?) {
    guard let memory else { return }
    let block = memory - Self.headerByteCount
    allocatedByteCount.subtract(block.load(as: Int.self), ordering: .relaxed)
    free(block)
  }

  private func parallelFor(
    _ count: Int, _ context: UnsafeMutableRawPointer?,
    _ body: @escaping @convention(c) (UnsafeMutableRawPointer?, Int) -> Void
  ) {
    var job = Job(context: context, body: body)
    withUnsafeMutablePointer(to: &job) { job in
      // SAFETY: all tiles are done when parallelFor returns.
      workers.parallelFor(count, context: job) { job, tile, _ in
        guard let job = job?.assumingMemoryBound(to: Job.self) else { return }
        job.pointee.body(job.pointee.context, tile)
      }
    }
  }

  /// A plugin's function and context under the pool's own.
  private struct Job {
    var context: UnsafeMutableRawPointer?
    var body: @convention(c) (UnsafeMutableRawPointer?, Int) -> Void
  }
}
