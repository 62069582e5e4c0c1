// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import ModelPlugins

/// Where a worker puts outputs: aligned, apart, guarded.
struct SlotOutputsTests {
  private func withOutputs(
    _ byteCount: Int, _ body: (SlotOutputs, UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    let area = try #require(
      mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
    defer { munmap(area, byteCount) }
    let memory = UnsafeMutableRawBufferPointer(start: area, count: byteCount)
    try body(SlotOutputs(memory), memory)
  }

  @Test(
    "Outputs are aligned, do not overlap and are inside, whatever their sizes from call to call")
  func places() throws {
    try withOutputs(1 << 20) { outputs, area in
      for sizes in [[0, 1, 64], [4096, 4097], [1], [100_000, 3], [0, 1, 64], [65, 65, 65, 65]] {
        outputs.begin()
        var last = area.baseAddress.map { UnsafeMutableRawPointer($0) }
        for size in sizes {
          let output = try outputs.take(byteCount: size)
          let start = try #require(output.baseAddress)
          #expect(output.count == size)
          #expect(Int(bitPattern: start) % SlotLayout.alignment == 0)
          #expect(start > (try #require(last)))
          // Every byte can be written.
          output.initializeMemory(as: UInt8.self, repeating: 7)
          last = start + size
        }
        #expect(outputs.isIntact)
        let end = try #require(area.baseAddress) + area.count
        #expect(try #require(last) < end)
      }
    }
  }

  @Test("A byte changed just outside of an output is seen", arguments: [-1, -64, 100, 127])
  func canaries(offset: Int) throws {
    try withOutputs(1 << 16) { outputs, _ in
      let output = try outputs.take(byteCount: 100)
      try #require(output.baseAddress).advanced(by: offset).storeBytes(of: 1, as: UInt8.self)
      #expect(!outputs.isIntact)
    }
  }

  @Test("More than there is room for is refused")
  func full() throws {
    try withOutputs(1 << 16) { outputs, _ in
      #expect(failure { _ = try outputs.take(byteCount: 1 << 16) }?.code == .resourceExhausted)
      for _ in 0..<8 { _ = try outputs.take(byteCount: 1) }
      #expect(failure { _ = try outputs.take(byteCount: 1) }?.code == .resourceExhausted)
      outputs.begin()
      _ = try outputs.take(byteCount: 1)
    }
  }
}
