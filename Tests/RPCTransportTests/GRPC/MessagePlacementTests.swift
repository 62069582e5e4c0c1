// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct MessagePlacementTests {
  private let pool = BufferPool()

  @Test(arguments: [1, 5, 64, 4095, 4096, 40_000, 602_200])
  func theByteThatWasNamedIsAligned(_ length: Int) throws {
    let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0) }
    for offset in stride(from: 0, to: min(length, 70), by: 3) {
      let placement = MessagePlacement(byteCount: length, offset: offset)
      let buffer = try #require(placement.buffer(of: length, from: pool))
      let alignment = length < 4096 ? 16 : 64
      #expect(UInt(bitPattern: buffer.base + offset) % UInt(alignment) == 0)
      #expect(buffer.capacity >= length)
      bytes.withUnsafeBytes { buffer.append($0) }
      #expect(buffer.bytes.elementsEqual(bytes))
    }
  }

  @Test func otherLengthsAreNotPlaced() throws {
    let placement = MessagePlacement(byteCount: 100, offset: 3)
    let buffer = try #require(placement.buffer(of: 101, from: pool))
    #expect(UInt(bitPattern: buffer.base) % 16 == 0)
    let without = try #require(MessagePlacement().buffer(of: 0, from: pool))
    #expect(without.bytes.isEmpty)
  }

  /// Memory that was moved into comes back whole.
  @Test func alignedMemoryIsUsedAgain() throws {
    let placement = MessagePlacement(byteCount: 600_000, offset: 37)
    for _ in 0..<10 { _ = placement.buffer(of: 600_000, from: pool) }
    let kept = pool.retainedByteCount
    for _ in 0..<10 { _ = placement.buffer(of: 600_000, from: pool) }
    #expect(kept >= 600_000)
    #expect(pool.retainedByteCount == kept)
  }
}
