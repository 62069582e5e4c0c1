// SPDX-License-Identifier: Apache-2.0

/// Counts frames that cost the peer nothing and bring a call nowhere: empty DATA, PING, SETTINGS,
/// PRIORITY; and, in a bucket of their own, cancelled calls.
///
/// A bucket that refills with time, so that years of keepalive pings are no flood.
struct FloodGuard {
  /// A burst that no client of good will reaches; gRPC's bandwidth probes ping once a round trip.
  static let burst = 2_000.0
  /// Frames a second that are forgotten.
  static let refillPerSecond = 200.0

  /// Cancelled calls are legal, and each costs more (rapid reset, CVE-2023-44487).
  static let resetBurst = 1_000.0
  static let resetRefillPerSecond = 100.0

  private let burst: Double
  private let refillPerSecond: Double
  private var level = 0.0
  private var updated: ContinuousClock.Instant

  init(
    now: ContinuousClock.Instant, burst: Double = FloodGuard.burst,
    refillPerSecond: Double = FloodGuard.refillPerSecond
  ) {
    updated = now
    self.burst = burst
    self.refillPerSecond = refillPerSecond
  }

  /// Counts a frame.
  ///
  /// Returns false where the peer has to go (RFC 9113 §10.5, ENHANCE_YOUR_CALM).
  mutating func admit(now: ContinuousClock.Instant) -> Bool {
    let elapsed = updated.duration(to: now).components
    let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
    level = max(0, level - seconds * refillPerSecond) + 1
    updated = now
    return level <= burst
  }
}
