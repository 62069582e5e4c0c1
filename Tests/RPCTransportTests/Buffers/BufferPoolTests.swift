// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct BufferPoolTests {
  @Test func classesCoverEverySizeWithinAQuarter() throws {
    var last = 0
    for bits in 15..<31 {
      for offset in [1, 2, 1 << (bits - 2), (1 << (bits - 2)) + 1, (1 << bits) - 1, 1 << bits] {
        let capacity = (1 << bits) + offset
        let (index, byteCount) = try #require(BufferPool.sizeClass(capacity))
        #expect(byteCount >= capacity)
        #expect(byteCount - capacity < capacity / 4)
        #expect(index >= last)
        #expect(try #require(BufferPool.sizeClass(byteCount)) == (index, byteCount))
        last = index
      }
    }
    #expect(BufferPool.sizeClass(32 << 10) == nil)
    #expect(try #require(BufferPool.sizeClass((32 << 10) + 1)).index == 0)
  }

  @Test func largeMemoryComesBackWarm() {
    let pool = BufferPool()
    var buffer: PooledBuffer? = pool.buffer(capacity: 600_000)
    let address = buffer?.base
    buffer = nil
    #expect(pool.retainedByteCount >= 600_000)
    #expect(pool.buffer(capacity: 602_112).base == address)
  }

  @Test func whatIsKeptIsBounded() {
    let pool = BufferPool(maxRetainedByteCount: 1 << 20)
    var buffers = (0..<20).map { _ in pool.buffer(capacity: 100_000) }
    buffers.removeAll()
    #expect(pool.retainedByteCount <= 1 << 20)
    #expect(pool.retainedByteCount > 0)
  }

  @Test func smallMemoryIsNotKept() {
    let pool = BufferPool()
    _ = pool.buffer(capacity: 1000)
    #expect(pool.retainedByteCount == 0)
  }

  @Test func bytesAreAppended() {
    let buffer = PooledBuffer(capacity: 4)
    for piece: [UInt8] in [[1], [], [2, 3]] { piece.withUnsafeBytes { buffer.append($0) } }
    #expect(buffer.array == [1, 2, 3])
    #expect(PooledBuffer(copying: []).array.isEmpty)
  }
}
