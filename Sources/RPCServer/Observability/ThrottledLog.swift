// SPDX-License-Identifier: Apache-2.0
internal import Logging
internal import Synchronization

/// Lines that strangers cause, at most so many a second: a flood of connections must not become a
/// flood of lines.
///
/// What was left out is counted, and the next line that is written says how many they were.
final class ThrottledLog: Sendable {
  /// Lines in one second.
  static let maxLines = 10

  private struct State {
    var second: ContinuousClock.Instant
    var lines = 0
    var suppressed = 0
  }

  private let log: Logger
  private let state: Mutex<State>

  init(_ log: Logger, now: ContinuousClock.Instant = .now) {
    self.log = log
    state = Mutex(State(second: now))
  }

  /// Writes a line at level notice, or counts it.
  func notice(
    _ message: Logger.Message, now: ContinuousClock.Instant = .now,
    metadata: @autoclosure () -> Logger.Metadata
  ) {
    let suppressed = state.withLock { state -> Int? in
      if state.second + .seconds(1) <= now {
        state.second = now
        state.lines = 0
      }
      guard state.lines < Self.maxLines else {
        state.suppressed += 1
        return nil
      }
      state.lines += 1
      defer { state.suppressed = 0 }
      return state.suppressed
    }
    guard let suppressed else { return }
    var fields = metadata()
    if suppressed > 0 { fields["lines_left_out"] = "\(suppressed)" }
    log.notice(message, metadata: fields)
  }
}
