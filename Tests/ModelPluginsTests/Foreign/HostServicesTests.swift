// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime
import Synchronization
import Testing

@testable import ModelPlugins

/// The services as a plugin sees them: through the table.
struct HostServicesTests {
  private let lines = TestRegistry.LogLines()
  private let services: HostServices
  private var host: UnsafePointer<msf_host> { UnsafePointer(services.table) }

  init() throws {
    services = HostServices(
      label: "plain", workers: try WorkerPool(threadCount: 2),
      instructionSet: try InstructionSet.preferred(), log: lines.append)
  }

  @Test func describesTheHost() throws {
    #expect(host.pointee.abi_major == UInt16(MSF_ABI_MAJOR))
    #expect(host.pointee.abi_minor == UInt16(MSF_ABI_MINOR))
    #expect(host.pointee.worker_count == 2)
    let name = try InstructionSet.preferred().name
    #expect(String(host.pointee.instruction_set, limit: 64) == name)
    #expect(host.pointee.extension(host, "massif.none/1") == nil)
  }

  @Test func memoryIsAlignedAndCounted() throws {
    let blocks: [UnsafeMutableRawPointer?] = [0, 1, 100, 1 << 20].map {
      host.pointee.allocate(host, $0)
    }
    for block in blocks {
      let memory: UnsafeMutableRawPointer = try #require(block)
      #expect(Int(bitPattern: memory) % 64 == 0)
    }
    #expect(services.allocatedByteCount.load(ordering: .relaxed) == 101 + 1 << 20)
    for block in blocks { host.pointee.deallocate(host, block) }
    host.pointee.deallocate(host, nil)
    #expect(services.allocatedByteCount.load(ordering: .relaxed) == 0)
    #expect(host.pointee.allocate(host, .max) == nil)
    #expect(host.pointee.allocate(host, 1 << 60) == nil)
  }

  @Test func everyIndexRunsOnce() {
    let counts = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: 1000)
    defer { counts.deallocate() }
    for index in 0..<1000 { (counts + index).initialize(to: Atomic(0)) }
    host.pointee.parallel_for(host, 1000, counts) { context, index in
      context?.assumingMemoryBound(to: Atomic<Int>.self)[index].add(1, ordering: .relaxed)
    }
    for index in 0..<1000 { #expect(counts[index].load(ordering: .relaxed) == 1) }
    host.pointee.parallel_for(host, 0, nil) { _, _ in }
  }

  @Test("A line of the log stays one line, under the plugin's name")
  func logLines() {
    services.rename("forger")
    "all well\nerror plugin other: forged".withMSFString {
      host.pointee.log(host, msf_log_level(MSF_LOG_WARNING), $0)
    }
    "?".withMSFString { host.pointee.log(host, 99, $0) }
    #expect(
      lines.all == [
        "warning plugin forger: all well error plugin other: forged", "info plugin forger: ?",
      ])
  }
}
