// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import Store

@Suite struct KeyedQueueTests {
  @Test func runsOneAfterTheOther() async throws {
    let queue = KeyedQueue<String>()
    let events = Recorder<Int>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<50 {
        group.addTask {
          try await queue.run("key") {
            events.record(index)
            await Task.yield()
            events.record(index)
          }
        }
      }
      try await group.waitForAll()
    }
    // The two events of an operation stand beside each other.
    let seen = events.events
    #expect(Set(seen).count == 50)
    for pair in stride(from: 0, to: seen.count, by: 2) { #expect(seen[pair] == seen[pair + 1]) }
  }

  @Test func doesNotWaitForOtherKeys() async throws {
    let queue = KeyedQueue<String>()
    let (gate, open) = AsyncStream<Void>.makeStream()
    let first = Task {
      try await queue.run("a") { for await _ in gate { break } }
    }
    try await within { try await queue.run("b") {} }
    open.yield()
    try await within { try await first.value }
  }

  @Test func goesOnAfterAFailure() async throws {
    struct Failure: Error {}
    let queue = KeyedQueue<String>()
    await #expect(throws: Failure.self) { try await queue.run("a") { throw Failure() } }
    #expect(try await queue.run("a") { 1 } == 1)
  }
}
