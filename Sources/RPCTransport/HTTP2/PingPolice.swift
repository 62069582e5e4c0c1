// SPDX-License-Identifier: Apache-2.0

/// Counts pings that come too often, as gRPC's servers do (grpc proposal A8).
///
/// A ping is welcome once in an interval, and always after this end has sent something: probes of
/// a link's bandwidth follow data. Others are strikes, and a few of them end the connection.
struct PingPolice {
  /// Strikes that are forgiven.
  static let maxStrikes = 2

  private var strikes = 0
  private var lastPing: ContinuousClock.Instant?
  /// This end has sent headers or data since the last ping.
  var hasSent = false

  /// Counts a ping.
  ///
  /// - Returns: false where the peer has to go.
  mutating func admit(now: ContinuousClock.Instant, minInterval: Duration) -> Bool {
    defer { lastPing = now }
    if hasSent {
      hasSent = false
      strikes = 0
      return true
    }
    guard let lastPing, lastPing + minInterval > now else { return true }
    strikes += 1
    return strikes <= PingPolice.maxStrikes
  }
}
