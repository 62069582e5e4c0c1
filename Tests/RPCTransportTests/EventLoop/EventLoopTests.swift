// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TestSupport
import Testing

@testable import RPCTransport

@Suite struct EventLoopTests {
  @Test func workRunsOnTheLoopInOrder() async throws {
    let loop = try EventLoop()
    defer { loop.stop() }
    let seen = Recorder<Int>()
    for number in 0..<1000 {
      loop.execute { if loop.isCurrent { seen.record(number) } }
    }
    #expect(try await seen.wait(count: 1000) == Array(0..<1000))
    #expect(!loop.isCurrent)
  }

  @Test func workOfManyThreadsIsNotLost() async throws {
    let loop = try EventLoop()
    defer { loop.stop() }
    let seen = Recorder<Int>()
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask { for i in 0..<200 { loop.execute { seen.record(task * 1000 + i) } } }
      }
    }
    let events = try await seen.wait(count: 1600)
    #expect(Set(events).count == 1600)
    for task in 0..<8 { #expect(events.filter { $0 / 1000 == task }.isSorted) }
  }

  @Test func timersFireByDeadlineUnlessCancelled() async throws {
    let loop = try EventLoop()
    defer { loop.stop() }
    let seen = Recorder<String>()
    loop.execute {
      let cancelled = loop.schedule(after: .milliseconds(5)) { seen.record("cancelled") }
      loop.schedule(after: .milliseconds(20)) { seen.record("second") }
      loop.schedule(after: .milliseconds(10)) {
        seen.record("first")
        cancelled.cancel()
      }
      cancelled.cancel()
    }
    #expect(try await seen.wait(count: 2) == ["first", "second"])
  }

  @Test func workAfterTheStopIsRefused() async throws {
    let loop = try EventLoop()
    let seen = Recorder<Bool>()
    loop.stop()
    // The work that stops the loop is done before work that is refused.
    try await within {
      while loop.execute({}) { await Task.yield() }
      seen.record(true)
    }
    #expect(loop.execute {} == false)
    #expect(seen.events == [true])
  }
}

extension Array where Element == Int {
  fileprivate var isSorted: Bool { zip(self, dropFirst()).allSatisfy { $0 <= $1 } }
}
