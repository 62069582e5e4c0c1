// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct TimerHeapTests {
  @Test func timersComeOutByDeadlineWithoutTheCancelled() throws {
    let loop = try EventLoop()
    defer { loop.stop() }
    let start = ContinuousClock.now
    var heap = TimerHeap()
    var random: UInt64 = 88_172_645_463_325_252
    func next() -> Int {
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      return Int(random % 1000)
    }
    var timers: [LoopTimer] = []
    for _ in 0..<500 {
      let timer = LoopTimer(deadline: start + .milliseconds(next()), loop: loop) {}
      heap.insert(timer)
      timers.append(timer)
    }
    var kept: [LoopTimer] = []
    for timer in timers {
      if next() % 3 == 0 { heap.remove(timer) } else { kept.append(timer) }
    }
    var out: [ContinuousClock.Instant] = []
    while let timer = heap.popFirst(dueBy: start + .seconds(1)) {
      #expect(timer.position == -1)
      out.append(timer.deadline)
    }
    #expect(out == kept.map(\.deadline).sorted())
    let left = heap.count
    #expect(left == 0)
  }

  @Test func timersThatAreNotDueStay() throws {
    let loop = try EventLoop()
    defer { loop.stop() }
    let now = ContinuousClock.now
    var heap = TimerHeap()
    heap.insert(LoopTimer(deadline: now + .seconds(1), loop: loop) {})
    let early = heap.popFirst(dueBy: now)
    let due = heap.popFirst(dueBy: now + .seconds(1))
    #expect(early == nil)
    #expect(due != nil)
  }
}
