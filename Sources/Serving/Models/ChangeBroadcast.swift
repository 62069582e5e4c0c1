// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Tells any number of listeners that something has changed; what, they look up themselves.
///
/// Changes that come while a listener is busy become one.
final class ChangeBroadcast: Sendable {
  private struct State {
    var next = 0
    var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
  }

  private let state = Mutex(State())

  /// How many listen.
  var listenerCount: Int { state.withLock { $0.listeners.count } }

  func send() {
    let listeners = state.withLock { Array($0.listeners.values) }
    for listener in listeners { listener.yield() }
  }

  /// Changes from now on; ends when the listening task is cancelled.
  func listen() -> AsyncStream<Void> {
    let (stream, continuation) = AsyncStream<Void>.makeStream(
      bufferingPolicy: .bufferingNewest(1))
    let id = state.withLock { state in
      state.next += 1
      state.listeners[state.next] = continuation
      return state.next
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
    }
    return stream
  }
}
