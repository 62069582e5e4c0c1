// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// What a test waited for did not happen in its time.
public struct WaitTimedOut: Error, CustomStringConvertible {
  /// The time that was given.
  public let limit: Duration
  /// What was waited for and how long.
  public var description: String { "did not happen within \(limit)" }
}

/// Runs `body`, and throws ``WaitTimedOut`` (after cancelling it) where it takes longer than `limit`.
///
/// The limit is there for a test that fails; a test that passes never waits for it.
public func within<Result: Sendable>(
  _ limit: Duration = .seconds(20), _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result.self) { group in
    group.addTask(operation: body)
    group.addTask {
      try await Task.sleep(for: limit)
      throw WaitTimedOut(limit: limit)
    }
    defer { group.cancelAll() }
    guard let first = try await group.next() else { throw WaitTimedOut(limit: limit) }
    return first
  }
}

/// What happened, in its order, for tests to wait for.
///
/// Events come from any thread.
public final class Recorder<Event: Sendable>: Sendable {
  private struct Waiter {
    let id: Int
    let condition: @Sendable ([Event]) -> Bool
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var events: [Event] = []
    var waiters: [Waiter] = []
    var lastID = 0
  }

  private let state = Mutex(State())

  /// Makes a recorder without events.
  public init() {}

  /// Everything until now.
  public var events: [Event] { state.withLock { $0.events } }

  /// Adds an event and resumes those whose condition it meets.
  public func record(_ event: Event) {
    let resumed = state.withLock { state -> [Waiter] in
      state.events.append(event)
      let met = state.waiters.filter { $0.condition(state.events) }
      state.waiters.removeAll { waiter in met.contains { $0.id == waiter.id } }
      return met
    }
    for waiter in resumed { waiter.continuation.resume() }
  }

  /// Waits until the events meet a condition and returns them; throws where that takes too long.
  @discardableResult
  public func wait(
    _ limit: Duration = .seconds(20), until condition: @escaping @Sendable ([Event]) -> Bool
  ) async throws -> [Event] {
    try await within(limit) { try await self.suspend(until: condition) }
    return events
  }

  /// Waits for `count` events.
  @discardableResult
  public func wait(_ limit: Duration = .seconds(20), count: Int) async throws -> [Event] {
    try await wait(limit) { $0.count >= count }
  }

  private func suspend(until condition: @escaping @Sendable ([Event]) -> Bool) async throws {
    let id = state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let result = state.withLock { state -> Result<Void, any Error>? in
          // Under the lock, so that neither an event nor a cancellation can slip in between.
          if condition(state.events) { return .success(()) }
          if Task.isCancelled { return .failure(CancellationError()) }
          state.waiters.append(Waiter(id: id, condition: condition, continuation: continuation))
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      let waiter = state.withLock { state -> Waiter? in
        let index = state.waiters.firstIndex { $0.id == id }
        return index.map { state.waiters.remove(at: $0) }
      }
      waiter?.continuation.resume(throwing: CancellationError())
    }
  }
}
