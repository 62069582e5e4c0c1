// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A reading of the clock that statistics are taken with, in nanoseconds since some moment.
///
/// `ContinuousClock.Instant` counts in 128 bits, and its arithmetic shows in profiles of requests
/// that take a microsecond.
struct MonotonicTime {
  private let nanoseconds: UInt64

  /// Now; 20 to 25 ns.
  static var now: MonotonicTime {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return MonotonicTime(
      nanoseconds: UInt64(bitPattern: Int64(time.tv_sec)) &* 1_000_000_000
        &+ UInt64(bitPattern: Int64(time.tv_nsec)))
  }

  /// Nanoseconds from `earlier` to `self`, 0 when it is later.
  func since(_ earlier: MonotonicTime) -> UInt64 {
    nanoseconds > earlier.nanoseconds ? nanoseconds &- earlier.nanoseconds : 0
  }
}

extension Duration {
  /// Whole nanoseconds, 0 for a negative duration.
  var nanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    return UInt64(seconds) &* 1_000_000_000 &+ UInt64(attoseconds) / 1_000_000_000
  }
}
