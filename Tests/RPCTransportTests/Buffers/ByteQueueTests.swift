// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct ByteQueueTests {
  @Test func bytesLeaveInTheirOrderThroughGrowth() {
    let queue = ByteQueue(capacity: 8)
    var added: [UInt8] = []
    var taken: [UInt8] = []
    for round in 0..<100 {
      let piece = (0..<(round % 23)).map { UInt8(truncatingIfNeeded: round &* 31 &+ $0) }
      piece.withUnsafeBytes { queue.append($0) }
      added += piece
      let count = min(queue.count, round % 19)
      taken += queue.bytes.prefix(count)
      queue.removeFirst(count)
    }
    taken += queue.bytes
    #expect(taken == added)
  }
}
