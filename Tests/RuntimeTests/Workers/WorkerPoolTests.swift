// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing

@testable import Runtime

struct WorkerPoolTests {
  @Test(arguments: [1, 2, 3, 7])
  func runsEveryTileOnce(_ threads: Int) throws {
    let pool = try WorkerPool(threadCount: threads)
    for count in [0, 1, 2, 5, 64, 1000] {
      let runs = (0..<count).map { _ in Counter() }
      pool.parallelFor(count) { runs[$0].value.add(1, ordering: .relaxed) }
      #expect(runs.allSatisfy { $0.value.load(ordering: .relaxed) == 1 })
    }
  }

  @Test func whatTilesWroteIsSeenByTheCaller() throws {
    let pool = try WorkerPool(threadCount: 3)
    let cells = UnsafeMutablePointer<Int>.allocate(capacity: 64)
    defer { cells.deallocate() }
    for round in 0..<2_000 {
      pool.parallelFor(64) { cells[$0] = round &* 31 &+ $0 }
      #expect((0..<64).allSatisfy { cells[$0] == round &* 31 &+ $0 })
    }
  }

  @Test func tilesThatRunTogetherHaveDifferentWorkers() throws {
    let pool = try WorkerPool(threadCount: 4)
    let state = Collisions()
    withExtendedLifetime(state) {
      pool.parallelFor(
        400, context: Unmanaged.passUnretained(state).toOpaque()
      ) { context, _, worker in
        guard let context else { return }
        let state = Unmanaged<Collisions>.fromOpaque(context).takeUnretainedValue()
        if state.busy[worker].exchange(1) != 0 { state.collisions.add(1) }
        for _ in 0..<200 { spinPause() }
        _ = state.busy[worker].exchange(0)
      }
    }
    #expect(state.collisions.load() == 0)
  }

  @Test func nestedCallsEnd() throws {
    let pool = try WorkerPool(threadCount: 3)
    let total = Counter()
    pool.parallelFor(8) { _ in
      pool.parallelFor(8) { _ in
        pool.parallelFor(4) { _ in total.value.add(1, ordering: .relaxed) }
      }
    }
    #expect(total.value.load(ordering: .relaxed) == 8 * 8 * 4)
  }

  @Test func manyThreadsShareAPool() throws {
    let pool = try WorkerPool(threadCount: 3)
    // More callers than the pool has slots for jobs.
    let callers = 24
    let totals = (0..<callers).map { _ in Counter() }
    let threads = try (0..<callers).map { caller in
      try Thread {
        for _ in 0..<100 {
          pool.parallelFor(10) { totals[caller].value.add($0, ordering: .relaxed) }
        }
      }
    }
    threads.forEach { $0.join() }
    #expect(totals.allSatisfy { $0.value.load(ordering: .relaxed) == 100 * 45 })
  }

  @Test func sleepingThreadsAreWokenOrNotNeeded() throws {
    let pool = try WorkerPool(threadCount: 2)
    let total = Counter()
    for _ in 0..<50 {
      // Long enough for the other thread to give up spinning.
      for _ in 0..<20_000 { spinPause() }
      pool.parallelFor(16) { _ in total.value.add(1, ordering: .relaxed) }
    }
    #expect(total.value.load(ordering: .relaxed) == 800)
  }

  @Test func poolsComeAndGo() throws {
    for _ in 0..<50 {
      let pool = try WorkerPool(threadCount: 4)
      let total = Counter()
      pool.parallelFor(3) { _ in total.value.add(1, ordering: .relaxed) }
      #expect(total.value.load(ordering: .relaxed) == 3)
    }
  }

  @Test func refusesSillyThreadCounts() {
    #expect(throws: RuntimeError.self) { try WorkerPool(threadCount: 0) }
    #expect(throws: RuntimeError.self) { try WorkerPool(threadCount: 100_000) }
  }
}

private final class Counter: Sendable {
  let value = Atomic<Int>(0)
}

private final class Collisions: Sendable {
  final class Cell: Sendable {
    private let value = Atomic<Int>(0)
    func exchange(_ new: Int) -> Int { value.exchange(new, ordering: .sequentiallyConsistent) }
    func add(_ more: Int) { value.add(more, ordering: .relaxed) }
    func load() -> Int { value.load(ordering: .sequentiallyConsistent) }
  }

  let busy = (0..<4).map { _ in Cell() }
  let collisions = Cell()
}

/// A thread that runs one closure.
private final class Thread {
  private var handle = pthread_t()

  init(_ body: @escaping @Sendable () -> Void) throws {
    let box = Unmanaged.passRetained(Box(body))
    let status = pthread_create(
      &handle, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
        return nil
      }, box.toOpaque())
    try #require(status == 0)
  }

  func join() { pthread_join(handle, nil) }

  private final class Box {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
}
