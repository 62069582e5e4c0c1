// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What an executor thread does when its turn comes.
protocol ExecutorWork: AnyObject, Sendable {
  /// Runs one batch.
  func runBatch()
  /// The time that was asked for has come.
  func timerFired()
}

/// A few threads on which all models' batches run, first come, first served: a model with much to do
/// takes its turns between the others'.
///
/// Not a thread per model: idle models cost nothing, and the plans inside compute on the runtime's
/// own pool anyway.
final class ExecutorPool: @unchecked Sendable {
  private struct Timer {
    let instant: ContinuousClock.Instant
    let work: any ExecutorWork
  }

  // SAFETY: every mutable property is used with `mutex` held, which `condition` belongs to; both live
  // as long as this object, and threads are joined before it goes.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var queue: [any ExecutorWork] = []
  private var head = 0
  private var timers: [Timer] = []
  private var isStopping = false
  private var threads: [pthread_t] = []

  /// How many batches run at the same time.
  let threadCount: Int

  /// Starts the threads.
  init(threadCount: Int) {
    precondition(threadCount > 0)
    self.threadCount = threadCount
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // Not the wall clock: a step of it would fire timers early or late.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
    for _ in 0..<threadCount {
      var thread = pthread_t()
      let start = Unmanaged.passRetained(self)
      let status = pthread_create(
        &thread, nil,
        { context in
          guard let context else { return nil }
          Unmanaged<ExecutorPool>.fromOpaque(context).takeRetainedValue().work()
          return nil
        }, start.toOpaque())
      guard status == 0 else {
        start.release()
        precondition(!threads.isEmpty, "no thread can be started: error \(status)")
        break
      }
      threads.append(thread)
    }
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Has a thread call `runBatch` once.
  ///
  /// Never waits. Ignored after `stop`.
  func submit(_ work: any ExecutorWork) {
    pthread_mutex_lock(mutex)
    if !isStopping {
      queue.append(work)
      pthread_cond_signal(condition)
    }
    pthread_mutex_unlock(mutex)
  }

  /// Has a thread call `timerFired` at `instant`.
  func setTimer(_ instant: ContinuousClock.Instant, for work: any ExecutorWork) {
    pthread_mutex_lock(mutex)
    if !isStopping {
      let place = timers.firstIndex { $0.instant > instant } ?? timers.endIndex
      timers.insert(Timer(instant: instant, work: work), at: place)
      // Whoever waits for a later timer has to wait anew.
      if place == 0 { pthread_cond_signal(condition) }
    }
    pthread_mutex_unlock(mutex)
  }

  /// Lets the threads finish what was submitted and waits for them.
  ///
  /// Timers are forgotten.
  ///
  /// Must not be called from one of the threads.
  func stop() {
    pthread_mutex_lock(mutex)
    isStopping = true
    timers = []
    let joining = threads
    threads = []
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
    for thread in joining { pthread_join(thread, nil) }
  }

  private enum Turn {
    case batch(any ExecutorWork)
    case timer(any ExecutorWork)
    case end
  }

  private func work() {
    while true {
      switch nextTurn() {
      case .batch(let work): work.runBatch()
      case .timer(let work): work.timerFired()
      case .end: return
      }
    }
  }

  private func nextTurn() -> Turn {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let timer = timers.first {
        let left = timer.instant - ContinuousClock.now
        if left <= .zero {
          timers.removeFirst()
          // Another thread may be the one to wait for the next timer.
          if !timers.isEmpty { pthread_cond_signal(condition) }
          return .timer(timer.work)
        }
      }
      if head < queue.count {
        let work = queue[head]
        head += 1
        if head == queue.count {
          queue.removeAll(keepingCapacity: true)
          head = 0
        }
        return .batch(work)
      }
      if isStopping { return .end }
      if let timer = timers.first {
        var until = Self.monotonic(after: timer.instant - ContinuousClock.now)
        pthread_cond_timedwait(condition, mutex, &until)
      } else {
        pthread_cond_wait(condition, mutex)
      }
    }
  }

  private static func monotonic(after delay: Duration) -> timespec {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let (seconds, attoseconds) = max(delay, .zero).components
    let nanoseconds = now.tv_nsec + Int(attoseconds / 1_000_000_000)
    now.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
    now.tv_nsec = nanoseconds % 1_000_000_000
    return now
  }
}
