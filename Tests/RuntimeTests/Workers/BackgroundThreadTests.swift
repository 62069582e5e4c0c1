// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import Runtime

struct BackgroundThreadTests {
  @Test func doesOneThingAfterTheOther() throws {
    let thread = try BackgroundThread()
    let done = Mutex<[Int]>([])
    for number in 0..<100 {
      thread.start { done.withLock { $0.append(number) } }
    }
    thread.wait()
    #expect(done.withLock { $0 } == Array(0..<100))
    thread.wait()
  }

  @Test func endsWhatItDoesBeforeItGoes() throws {
    final class Flag: Sendable {
      let isSet = Atomic<Bool>(false)
    }
    let flag = Flag()
    do {
      let thread = try BackgroundThread()
      thread.start { flag.isSet.store(true, ordering: .sequentiallyConsistent) }
    }
    let isSet = flag.isSet.load(ordering: .sequentiallyConsistent)
    #expect(isSet)
  }

  @Test func usesThePoolBesideItsOwner() throws {
    let workers = try WorkerPool(threadCount: 3)
    let thread = try BackgroundThread()
    let sums = (0..<2).map { _ in Counter() }
    thread.start { workers.parallelFor(500) { tile, _ in sums[0].add(tile) } }
    workers.parallelFor(500) { sums[1].add($0) }
    thread.wait()
    #expect(sums.map { $0.value } == [124_750, 124_750])
  }

  private final class Counter: Sendable {
    private let sum = Atomic<Int>(0)
    func add(_ number: Int) { sum.add(number, ordering: .relaxed) }
    var value: Int { sum.load(ordering: .sequentiallyConsistent) }
  }
}
