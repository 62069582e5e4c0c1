// SPDX-License-Identifier: Apache-2.0

/// How calls are spread over several addresses.
public enum LoadBalancing: String, Sendable, Hashable, CaseIterable {
  /// All calls go to the first address that answers; the others are for when it does not.
  case pickFirst = "pick_first"
  /// Each call goes to the next address that is connected.
  case roundRobin = "round_robin"
}

/// Decides which connection a call takes, and which addresses are to be connected to.
///
/// It knows addresses by index and times by value; connecting and waiting is done by ``Channel``.
struct Balancer {
  enum Endpoint: Equatable {
    case idle
    case connecting
    case ready
    /// The last attempt failed; the next may start at `until`.
    case backingOff(until: ContinuousClock.Instant)
  }

  enum Outcome: Equatable {
    case use(Int)
    /// A connection attempt is under way: ask again when an endpoint has changed.
    case wait
    /// Every address failed lately; the first may be tried again after this time.
    case fail(retryAfter: Duration)
  }

  struct Pick: Equatable {
    /// Addresses to connect to now; their endpoints are `connecting` already.
    var connect: [Int] = []
    var outcome: Outcome
  }

  let policy: LoadBalancing
  private(set) var endpoints: [Endpoint]
  private var failures: [Int]
  private var cursor = 0

  init(policy: LoadBalancing, count: Int) {
    self.policy = policy
    endpoints = Array(repeating: .idle, count: count)
    failures = Array(repeating: 0, count: count)
  }

  /// Chooses for one call.
  mutating func pick(now: ContinuousClock.Instant) -> Pick {
    switch policy {
    case .pickFirst: pickFirst(now)
    case .roundRobin: pickNext(now)
    }
  }

  private mutating func pickFirst(_ now: ContinuousClock.Instant) -> Pick {
    if let ready = endpoints.firstIndex(of: .ready) { return Pick(outcome: .use(ready)) }
    if endpoints.contains(.connecting) { return Pick(outcome: .wait) }
    for index in endpoints.indices where mayConnect(index, now) {
      endpoints[index] = .connecting
      return Pick(connect: [index], outcome: .wait)
    }
    return Pick(outcome: .fail(retryAfter: untilNextAttempt(now)))
  }

  private mutating func pickNext(_ now: ContinuousClock.Instant) -> Pick {
    var pick = Pick(outcome: .wait)
    for index in endpoints.indices where mayConnect(index, now) {
      endpoints[index] = .connecting
      pick.connect.append(index)
    }
    for step in endpoints.indices {
      let index = (cursor + step) % endpoints.count
      guard endpoints[index] == .ready else { continue }
      cursor = (index + 1) % endpoints.count
      pick.outcome = .use(index)
      return pick
    }
    if !endpoints.contains(.connecting) {
      pick.outcome = .fail(retryAfter: untilNextAttempt(now))
    }
    return pick
  }

  /// A connection attempt succeeded.
  mutating func connected(_ index: Int) {
    endpoints[index] = .ready
    failures[index] = 0
  }

  /// A connection attempt failed.
  mutating func failed(
    _ index: Int, now: ContinuousClock.Instant, backoff: Backoff, random: Double
  ) {
    failures[index] += 1
    let delay = backoff.delay(afterFailures: failures[index], random: random)
    endpoints[index] = .backingOff(until: now + delay)
  }

  /// A connection that was up is closed, or takes no more calls.
  ///
  /// The next attempt may start at once.
  mutating func closed(_ index: Int) {
    if endpoints[index] == .ready { endpoints[index] = .idle }
  }

  private func mayConnect(_ index: Int, _ now: ContinuousClock.Instant) -> Bool {
    switch endpoints[index] {
    case .idle: true
    case .backingOff(let until): until <= now
    case .connecting, .ready: false
    }
  }

  private func untilNextAttempt(_ now: ContinuousClock.Instant) -> Duration {
    let times = endpoints.compactMap { endpoint -> ContinuousClock.Instant? in
      if case .backingOff(let until) = endpoint { until } else { nil }
    }
    return times.min().map { now.duration(to: $0) } ?? .zero
  }
}
