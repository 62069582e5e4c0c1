// SPDX-License-Identifier: Apache-2.0

/// Something that is to happen on a loop at a time, and can be called off until then.
///
/// Loop only.
public final class LoopTimer {
  let deadline: ContinuousClock.Instant
  private unowned let loop: EventLoop
  private var body: (() -> Void)?
  /// The position in the heap; -1 outside of it.
  fileprivate(set) var position = -1

  init(deadline: ContinuousClock.Instant, loop: EventLoop, body: @escaping () -> Void) {
    self.deadline = deadline
    self.loop = loop
    self.body = body
  }

  /// Calls the timer off and releases what it holds; without effect after it has fired.
  public func cancel() {
    body = nil
    if position >= 0 { loop.cancel(self) }
  }

  func fire() {
    let body = self.body
    self.body = nil
    body?()
  }
}

/// Timers by deadline: a binary heap in which each timer knows its place, so that the timer of a
/// call that ends in time is taken out in O(log n) and holds no memory.
struct TimerHeap: ~Copyable {
  private var timers: [LoopTimer] = []

  var first: LoopTimer? { timers.first }
  var count: Int { timers.count }

  mutating func insert(_ timer: LoopTimer) {
    timer.position = timers.count
    timers.append(timer)
    rise(timer.position)
  }

  mutating func popFirst(dueBy now: ContinuousClock.Instant) -> LoopTimer? {
    guard let first = timers.first, first.deadline <= now else { return nil }
    remove(first)
    return first
  }

  mutating func remove(_ timer: LoopTimer) {
    let hole = timer.position
    guard hole >= 0 else { return }
    timer.position = -1
    let last = timers.removeLast()
    guard last !== timer else { return }
    timers[hole] = last
    last.position = hole
    sink(hole)
    rise(last.position)
  }

  mutating func removeAll() {
    for timer in timers { timer.position = -1 }
    timers = []
  }

  private mutating func rise(_ start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard timers[child].deadline < timers[parent].deadline else { return }
      exchange(child, parent)
      child = parent
    }
  }

  private mutating func sink(_ start: Int) {
    var parent = start
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < timers.count && timers[child].deadline < timers[least].deadline {
        least = child
      }
      guard least != parent else { return }
      exchange(parent, least)
      parent = least
    }
  }

  private mutating func exchange(_ a: Int, _ b: Int) {
    timers.swapAt(a, b)
    timers[a].position = a
    timers[b].position = b
  }
}
