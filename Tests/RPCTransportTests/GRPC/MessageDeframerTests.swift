// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct MessageDeframerTests {
  private let pool = BufferPool()

  private static func frame(_ message: [UInt8], flag: UInt8 = 0) -> [UInt8] {
    [flag] + Frame.word(UInt32(message.count)) + message
  }

  /// Feeds pieces, each to its end, and collects what comes out.
  private func run(
    _ pieces: [[UInt8]], max: Int = 1 << 20, admit: (Int) -> Bool = { _ in true }
  ) -> (messages: [[UInt8]], failure: Status?, deframer: MessageDeframer) {
    var deframer = MessageDeframer(maxMessageSize: max)
    var messages: [[UInt8]] = []
    for piece in pieces {
      let failure = piece.withUnsafeBytes { bytes -> Status? in
        var rest = bytes
        while true {
          switch deframer.next(&rest, pool: pool, admit: admit) {
          case .needsMore: return nil
          case .message(let buffer, _): messages.append(buffer.array)
          case .failure(let status): return status
          }
        }
      }
      if let failure { return (messages, failure, deframer) }
    }
    return (messages, nil, deframer)
  }

  /// Messages of every kind of length, cut at every pair of places.
  @Test func everySplitGivesTheSameMessages() {
    let expected: [[UInt8]] = [[1], [], [2, 3, 4, 5, 6, 7], [], [8, 9]]
    let stream = expected.flatMap { MessageDeframerTests.frame($0) }
    for first in 0...stream.count {
      for second in first...stream.count {
        let pieces = [
          Array(stream[..<first]), Array(stream[first..<second]), Array(stream[second...]),
        ]
        let (messages, failure, deframer) = run(pieces)
        #expect(messages == expected, "cut at \(first) and \(second)")
        #expect(failure == nil)
        #expect(deframer.isBetweenMessages)
        #expect(deframer.assemblingByteCount == 0)
      }
    }
  }

  @Test func singleBytesGiveTheSameMessages() {
    let expected: [[UInt8]] = [[], [1, 2, 3], [4]]
    let stream = expected.flatMap { MessageDeframerTests.frame($0) }
    #expect(run(stream.map { [$0] }).messages == expected)
  }

  @Test(arguments: 1..<9) func anEarlyEndIsSeen(_ count: Int) {
    let stream = MessageDeframerTests.frame([1, 2, 3, 4])
    #expect(!run([Array(stream.prefix(count))]).deframer.isBetweenMessages)
  }

  @Test func theLimitIsInclusive() {
    #expect(run([MessageDeframerTests.frame([1, 2, 3])], max: 3).messages == [[1, 2, 3]])
    let over = run([MessageDeframerTests.frame([1, 2, 3, 4])], max: 3)
    #expect(over.failure?.code == .resourceExhausted)
    #expect(over.failure?.message.contains("at most 3") == true)
  }

  @Test func aLengthOverTheLimitTakesNoMemory() {
    var asked: [Int] = []
    let result = run([[0, 0xff, 0xff, 0xff, 0xff]]) { length in
      asked.append(length)
      return true
    }
    #expect(result.failure?.code == .resourceExhausted)
    #expect(asked.isEmpty)
    #expect(result.deframer.assemblingByteCount == 0)
  }

  @Test func aMessageBeyondTheConnectionsShareIsRefused() {
    let result = run([MessageDeframerTests.frame([1, 2, 3])]) { $0 < 3 }
    #expect(result.failure?.code == .resourceExhausted)
    #expect(result.deframer.assemblingByteCount == 0)
  }

  @Test(arguments: [UInt8(1), 2, 255]) func aFlagIsRefused(_ flag: UInt8) {
    let result = run([MessageDeframerTests.frame([1], flag: flag)])
    #expect(result.failure?.code == .internal)
    #expect(result.messages.isEmpty)
  }
}
