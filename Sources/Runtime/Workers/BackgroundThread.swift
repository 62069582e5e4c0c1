// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A thread that does one thing at a time beside its owner, such as preparing the next batch.
///
/// One owner: `start` and `wait` are called from one thread at a time.
public final class BackgroundThread: Sendable {
  private let shared: Shared
  private let thread: pthread_t

  /// Starts the thread, which sleeps until it has something to do.
  ///
  /// - Throws: `.tooLarge` when the system starts no thread.
  public init() throws(RuntimeError) {
    let shared = Shared()
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(shared)
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Shared>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, argument.toOpaque())
    guard status == 0 else {
      argument.release()
      throw RuntimeError(.tooLarge, "the system starts no more threads")
    }
    self.shared = shared
    self.thread = thread
  }

  /// Waits for what the thread is doing, and ends it.
  deinit {
    shared.wait()
    shared.state.store(.stopping)
    shared.sleeper.wake()
    pthread_join(thread, nil)
  }

  /// Has the thread do `body`, once it has done what it was given before.
  public func start(_ body: @escaping @Sendable () -> Void) {
    shared.wait()
    shared.body = body
    shared.state.store(.busy)
    shared.sleeper.wake()
  }

  /// Returns when the thread has nothing to do.
  public func wait() { shared.wait() }
}

extension BackgroundThread {
  /// What the thread does.
  private enum State: UInt8 {
    case idle
    case busy
    case stopping
  }

  /// A state that both sides look at.
  private struct AtomicState: ~Copyable {
    private let value = Atomic<UInt8>(State.idle.rawValue)

    func store(_ state: State) { value.store(state.rawValue, ordering: .sequentiallyConsistent) }

    func load() -> State { State(rawValue: value.load(ordering: .sequentiallyConsistent)) ?? .idle }
  }

  /// `@unchecked Sendable`: the owner writes `body` while the state is idle, the thread reads it while it is
  /// busy.
  private final class Shared: @unchecked Sendable {
    let state = AtomicState()
    /// Wakes the thread.
    let sleeper = Sleeper()
    /// Wakes the owner.
    private let owner = Sleeper()
    var body: @Sendable () -> Void = {}

    func wait() { owner.wait { state.load() != .busy } }

    func run() {
      while true {
        sleeper.wait { state.load() != .idle }
        if state.load() == .stopping { return }
        body()
        body = {}
        state.store(.idle)
        owner.wake()
      }
    }
  }
}
