// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct SmallBuffersTests {
  @Test func aBufferThatNobodyHoldsComesBackEmpty() throws {
    let buffers = SmallBuffers()
    var first = buffers.take(100)
    let base = try #require(first).base
    first?.align(byteAt: 3, to: 16)
    [1, 2, 3].withUnsafeBytes { first?.append($0) }
    buffers.giveBack(&first)
    #expect(first == nil)
    let again = try #require(buffers.take(1024))
    #expect(again.base == base)
    #expect(again.count == 0)
    #expect(again.capacity == SmallBuffers.capacity)
  }

  @Test func aBufferThatSomebodyHoldsDoesNot() throws {
    let buffers = SmallBuffers()
    let held = try #require(buffers.take(1))
    var given: PooledBuffer? = held
    buffers.giveBack(&given)
    #expect(buffers.take(1) !== held)
  }

  @Test func largerOnesAndOthersAreNotTaken() throws {
    let buffers = SmallBuffers()
    #expect(buffers.take(SmallBuffers.capacity + 1) == nil)
    var other: PooledBuffer? = PooledBuffer(capacity: SmallBuffers.capacity)
    let base = try #require(other).base
    buffers.giveBack(&other)
    #expect(other == nil)
    _ = base
    #expect(try #require(buffers.take(1)).isSmall)
  }
}
