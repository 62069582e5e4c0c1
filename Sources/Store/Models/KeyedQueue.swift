// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lets operations on the same key go one after the other, in order of arrival, and on different
/// keys at the same time.
public final class KeyedQueue<Key: Hashable & Sendable>: Sendable {
  /// The tail of each key's queue: a task that ends when the operation has.
  private let tails = Mutex<[Key: (id: UInt64, task: Task<Void, Never>)]>([:])
  private let nextID = Atomic<UInt64>(0)

  /// Nothing is running or waiting.
  public init() {}

  /// Runs an operation when those before it on its key have ended.
  ///
  /// It runs to its end even when the caller goes: half a deployment would be worse.
  public func run<Result: Sendable>(
    _ key: Key, _ operation: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    let id = nextID.wrappingAdd(1, ordering: .relaxed).newValue
    let task = tails.withLock { tails in
      let previous = tails[key]?.task
      let task = Task {
        await previous?.value
        return try await operation()
      }
      tails[key] = (id, Task { _ = await task.result })
      return task
    }
    defer {
      tails.withLock { tails in if tails[key]?.id == id { tails[key] = nil } }
    }
    return try await task.value
  }
}
