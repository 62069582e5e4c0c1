// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Synchronization
import TestSupport
import Testing

@testable import RPCServer

struct RequestMessagesTests {
  private static func message(_ text: String) -> ReceivedMessage {
    ReceivedMessage(PooledBuffer(copying: text.utf8))
  }

  @Test func messagesComeInTheirOrder() async throws {
    var texts: [String] = []
    let messages = RequestMessages(["a", "b", "c"].map(Self.message))
    for try await message in messages { texts.append(message.text) }
    #expect(texts == ["a", "b", "c"])
  }

  @Test func fullQueueAsksForAPauseAndEmptiedQueueForMore() async throws {
    let resumed = Recorder<Void>()
    let queue = RequestQueue { resumed.record(()) }
    for _ in 1..<RequestQueue.maxMessageCount { #expect(queue.push(Self.message("x"))) }
    #expect(!queue.push(Self.message("last")))
    #expect(resumed.events.isEmpty)
    _ = try await queue.next()
    #expect(resumed.events.count == 1)
    _ = try await queue.next()
    #expect(resumed.events.count == 1)
  }

  @Test func largeMessagesFillTheQueueByTheirBytes() {
    let queue = RequestQueue {}
    let half = ReceivedMessage(
      PooledBuffer(copying: [UInt8](repeating: 0, count: RequestQueue.maxByteCount / 2)))
    #expect(queue.push(half))
    #expect(!queue.push(half))
  }

  @Test func readerThatWaitsGetsTheMessageWithoutAQueue() async throws {
    let queue = RequestQueue {}
    let read = Task { try await queue.next()?.text }
    #expect(queue.push(Self.message("x")))
    #expect(try await within { try await read.value } == "x")
  }

  @Test func failureDropsWhatWaits() async throws {
    let queue = RequestQueue {}
    queue.push(Self.message("x"))
    queue.finish(.deadlineExceeded)
    let error = await #expect(throws: RPCError.self) { try await queue.next() }
    #expect(error?.code == .deadlineExceeded)
    queue.push(Self.message("y"))
    await #expect(throws: RPCError.self) { try await queue.next() }
  }

  @Test func endIsReadAgainAndAgain() async throws {
    let queue = RequestQueue {}
    queue.finish(nil)
    for _ in 0..<2 { #expect(try await queue.next() == nil) }
  }

  @Test func cancelledReaderStopsWaiting() async throws {
    let queue = RequestQueue {}
    let read = Task { try await queue.next() }
    read.cancel()
    let result = try await within { await read.result }
    #expect(throws: RPCError.self) { try result.get() }
  }
}
