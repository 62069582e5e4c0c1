// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import Serving

private final class Work: ExecutorWork {
  let batches = Atomic(0)
  let (stream, continuation) = AsyncStream<String>.makeStream()

  var batchCount: Int { batches.load(ordering: .relaxed) }

  func runBatch() {
    batches.wrappingAdd(1, ordering: .relaxed)
    continuation.yield("batch")
  }

  func timerFired() {
    continuation.yield("timer")
  }
}

@Suite struct ExecutorPoolTests {
  @Test func runsWhatIsSubmittedBeforeItStops() {
    let pool = ExecutorPool(threadCount: 2)
    let works = (0..<4).map { _ in Work() }
    for _ in 0..<100 {
      for work in works { pool.submit(work) }
    }
    pool.stop()
    #expect(works.map(\.batchCount) == [100, 100, 100, 100])
    pool.submit(works[0])
    #expect(works[0].batchCount == 100)
  }

  @Test func timersFireInTheirOrderAndNotEarly() async {
    let pool = ExecutorPool(threadCount: 1)
    let now = ContinuousClock.now
    let late = Work()
    let early = Work()
    pool.setTimer(now + .milliseconds(30), for: late)
    pool.setTimer(now + .milliseconds(10), for: early)
    for await _ in early.stream { break }
    #expect(now.duration(to: .now) >= .milliseconds(10))
    for await _ in late.stream { break }
    #expect(now.duration(to: .now) >= .milliseconds(30))
    pool.stop()
  }

  @Test func aTimerDoesNotKeepBatchesWaiting() async {
    let pool = ExecutorPool(threadCount: 1)
    let work = Work()
    pool.setTimer(.now + .seconds(3600), for: work)
    pool.submit(work)
    for await event in work.stream {
      #expect(event == "batch")
      break
    }
    pool.stop()
  }
}
