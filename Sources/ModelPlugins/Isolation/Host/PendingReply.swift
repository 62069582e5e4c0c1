// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Synchronization

/// A value that one thread waits for and another sets, once.
final class PendingReply<Value: Sendable>: @unchecked Sendable {
  // SAFETY: the signal is used through atomic operations alone, and lives as long as this object.
  private let signal: UnsafeMutablePointer<cs_signal>
  private let value = Mutex<Value?>(nil)

  init() {
    signal = .allocate(capacity: 1)
    signal.initialize(to: cs_signal())
  }

  deinit {
    signal.deallocate()
  }

  /// Sets the value; a second one is ignored.
  func set(_ new: Value) {
    value.withLock { if $0 == nil { $0 = new } }
    cs_post(signal, 1)
  }

  /// Waits for the value.
  ///
  /// Nil when the time is up; without a timeout it never is.
  func wait(timeout: Duration?) -> Value? {
    _ = cs_await(signal, 0, 0, timeout?.nanoseconds ?? -1)
    return value.withLock { $0 }
  }
}

extension Duration {
  /// The duration in whole nanoseconds, as far as they can be counted.
  var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max : whole + attoseconds / 1_000_000_000
  }
}
