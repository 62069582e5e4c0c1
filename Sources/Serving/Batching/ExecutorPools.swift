// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The threads that run batches: one pool for all models, and one for each group of models that may
/// keep its threads busy for long, which then waits for itself alone.
final class ExecutorPools: Sendable {
  private let shared: ExecutorPool
  private let threadCount: Int
  private let groups = Mutex<[String: ExecutorPool]>([:])

  /// Starts the pool that all share.
  ///
  /// - Parameter threadCount: of each pool.
  init(threadCount: Int) {
    self.threadCount = threadCount
    shared = ExecutorPool(threadCount: threadCount)
  }

  /// The pool of a group, started when it is asked for the first time; nil: the one that all share.
  func pool(for group: String?) -> ExecutorPool {
    guard let group else { return shared }
    return groups.withLock { groups in
      if let pool = groups[group] { return pool }
      let pool = ExecutorPool(threadCount: threadCount)
      groups[group] = pool
      return pool
    }
  }

  /// Lets all threads finish what was submitted and waits for them.
  func stop() {
    shared.stop()
    for pool in groups.withLock({ Array($0.values) }) { pool.stop() }
  }
}
