// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// One slot of the pool's table of running jobs: a counter of tiles that any thread may take from.
///
/// `control` is the whole protocol: bit 31 says that helpers may join, bit 30 that the owner sleeps,
/// the rest counts the helpers inside. The owner opens the slot, takes tiles itself, closes it and waits
/// until no helper is inside; a helper that is inside is running a tile, so the wait ends without
/// anybody else's doing, however calls are nested.
///
/// `@unchecked Sendable`: the plain fields are written by the owner while the slot is closed and
/// empty, and read by helpers after they joined (acquire of the owner's release).
final class ParallelJob: @unchecked Sendable {
  private static let open: UInt32 = 1 << 31
  private static let ownerSleeps: UInt32 = 1 << 30

  private let taken = Atomic<Bool>(false)
  private let control = Atomic<UInt32>(0)
  private let nextTile = Atomic<Int>(0)
  private let sleep = Sleeper()

  private let tileCount = Atomic<Int>(0)
  private var context: UnsafeMutableRawPointer?
  private var body: WorkerPool.TileBody = { _, _, _ in }

  /// Takes the slot for a caller; false when another has it.
  func tryTake() -> Bool {
    !taken.load(ordering: .relaxed)
      && taken.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
  }

  /// Lets helpers in.
  ///
  /// The caller has the slot.
  func publish(
    count: Int, context: UnsafeMutableRawPointer?, body: @escaping WorkerPool.TileBody
  ) {
    tileCount.store(count, ordering: .relaxed)
    self.context = context
    self.body = body
    nextTile.store(0, ordering: .relaxed)
    control.store(Self.open, ordering: .releasing)
  }

  /// Whether a helper would find something to do, without promise.
  var hasTiles: Bool {
    control.load(ordering: .acquiring) & Self.open != 0
      && nextTile.load(ordering: .relaxed) < tileCount.load(ordering: .relaxed)
  }

  /// Joins, runs tiles until none is left, leaves.
  ///
  /// False when there was nothing to join.
  func help(as worker: Int) -> Bool {
    var seen = control.load(ordering: .relaxed)
    while true {
      guard seen & Self.open != 0 else { return false }
      let (joined, now) = control.weakCompareExchange(
        expected: seen, desired: seen + 1, successOrdering: .acquiring, failureOrdering: .relaxed)
      if joined { break }
      seen = now
    }
    let ran = runTiles(as: worker)
    let left = control.subtract(1, ordering: .acquiringAndReleasing).newValue
    if left == Self.ownerSleeps { sleep.wake() }
    return ran
  }

  /// Takes tiles in order until none is left.
  @discardableResult
  func runTiles(as worker: Int) -> Bool {
    let count = tileCount.load(ordering: .relaxed)
    var ran = false
    while true {
      let tile = nextTile.add(1, ordering: .relaxed).oldValue
      guard tile < count else { return ran }
      body(context, tile, worker)
      ran = true
    }
  }

  /// Closes the slot, waits for the helpers inside and gives the slot back.
  func finish(spins: Int) {
    var state = control.bitwiseAnd(~Self.open, ordering: .acquiringAndReleasing).newValue
    var spun = 0
    while state != 0, spun < spins {
      spun += 1
      spinPause()
      state = control.load(ordering: .acquiring)
    }
    if state != 0 {
      state = control.bitwiseOr(Self.ownerSleeps, ordering: .acquiringAndReleasing).newValue
      if state != Self.ownerSleeps {
        sleep.wait { control.load(ordering: .acquiring) == Self.ownerSleeps }
      }
      control.store(0, ordering: .relaxed)
    }
    taken.store(false, ordering: .releasing)
  }
}

/// A mutex and a condition variable: where threads sleep after their bounded spin.
///
/// `@unchecked Sendable`: both are made for use by many threads.
final class Sleeper: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Sleeps until `isDone`, which is asked under the lock that `wake` takes.
  func wait(until isDone: () -> Bool) {
    pthread_mutex_lock(mutex)
    while !isDone() { pthread_cond_wait(condition, mutex) }
    pthread_mutex_unlock(mutex)
  }

  /// Wakes who waits; what they wait for was changed before.
  func wake() {
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }
}

/// Lets the other hyperthread and the memory system breathe between two looks at a variable.
@inline(__always)
func spinPause() {
  // A fence drains the store buffer, which keeps a spinning thread from flooding the shared line; the
  // standard library has no public `pause`.
  atomicMemoryFence(ordering: .sequentiallyConsistent)
}
