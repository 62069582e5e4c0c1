// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct OutboundMessagesTests {
  private static let pieces: [[[UInt8]]] = [
    [[1, 2, 3]], [], [[4], [5, 6], [], [7]], [[], [8, 9]], [[10]],
  ]

  /// Messages of a head and lent pieces, and the bytes that they are on the wire.
  private func make() -> (OutboundMessages, [UInt8]) {
    var outbound = OutboundMessages()
    var wire: [UInt8] = []
    for pieces in OutboundMessagesTests.pieces {
      let buffers = pieces.map { PooledBuffer(copying: $0) }
      let segments = buffers.dropFirst().map { OutgoingMessage.Segment($0.bytes, owner: $0) }
      let accepted = outbound.append(OutgoingMessage(head: buffers.first, segments: segments))
      #expect(accepted)
      let body = pieces.flatMap { $0 }
      wire += [0] + Frame.word(UInt32(body.count)) + body
    }
    return (outbound, wire)
  }

  @Test func everyChunkSizeGivesTheSameBytes() {
    let (_, wire) = make()
    for chunk in 1...wire.count {
      var (outbound, _) = make()
      #expect(outbound.byteCount == wire.count)
      var read: [UInt8] = []
      while outbound.byteCount > 0 {
        let count = min(chunk, outbound.byteCount)
        let piece = [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
          guard let base = buffer.baseAddress else { return }
          written = outbound.read(count, to: base)
          #expect(written == count || outbound.spent != nil)
        }
        outbound.spent = nil
        read += piece
      }
      #expect(read == wire, "in chunks of \(chunk)")
    }
  }

  @Test func anOwnerIsReleasedBehindItsLastByte() {
    final class Owner {}
    weak var watched: Owner?
    var outbound = OutboundMessages()
    let lent = PooledBuffer(copying: [1, 2, 3])
    do {
      let owner = Owner()
      watched = owner
      _ = outbound.append(
        OutgoingMessage(head: nil, segments: [OutgoingMessage.Segment(lent.bytes, owner: owner)]))
    }
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 1)
    defer { scratch.deallocate() }
    #expect(outbound.read(7, to: scratch) == 7)
    #expect(outbound.spent == nil)
    #expect(outbound.read(1, to: scratch) == 1)
    #expect(watched != nil)
    outbound.spent = nil
    #expect(watched == nil)
  }
}
