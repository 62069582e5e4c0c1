// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Synchronization

/// Work that is done in order, on the thread that calls `run`.
final class ControlQueue: @unchecked Sendable {
  // SAFETY: the signal is used through atomic operations alone, and lives as long as this object.
  private let added: UnsafeMutablePointer<cs_signal>
  private let work = Mutex<(waiting: [@Sendable () -> Void], count: UInt32)>(([], 0))

  init() {
    added = .allocate(capacity: 1)
    added.initialize(to: cs_signal())
  }

  deinit {
    added.deallocate()
  }

  func add(_ body: @escaping @Sendable () -> Void) {
    let count = work.withLock { work in
      work.waiting.append(body)
      work.count &+= 1
      return work.count
    }
    cs_post(added, count)
  }

  /// Works for ever.
  func run() -> Never {
    while true {
      let (next, count) = work.withLock { work in
        let next = work.waiting
        work.waiting = []
        return (next, work.count)
      }
      for body in next { body() }
      if next.isEmpty { _ = cs_await(added, count, 0, -1) }
    }
  }
}
