// SPDX-License-Identifier: Apache-2.0

/// Decides whether a failed call is made again, and when.
///
/// A call that may have been processed is repeated on `UNAVAILABLE` only, and only if repeating it
/// does no harm; a call that certainly was not processed is always safe to repeat. Delays grow
/// exponentially, with jitter, as in gRPC's connection back-off document; a delay that the server
/// asks for (`RetryInfo`) is waited for instead.
public struct RetryPolicy: Sendable, Hashable {
  /// Attempts in all, the first included; 1 switches retries off.
  public var maxAttempts: Int
  /// The delays between attempts.
  public var backoff: Backoff

  /// Makes a policy.
  public init(maxAttempts: Int = 5, backoff: Backoff = Backoff()) {
    precondition(maxAttempts >= 1, "at least one attempt is made")
    self.maxAttempts = maxAttempts
    self.backoff = backoff
  }

  /// Every call is made once.
  public static let never = RetryPolicy(maxAttempts: 1)

  enum Decision: Equatable {
    case retry(after: Duration)
    case giveUp
  }

  /// What to do after a failure.
  ///
  /// - Parameters:
  ///   - attempt: which attempt failed, from 1.
  ///   - isRepeatable: whether making the call twice does no harm.
  ///   - random: in `0..<1`.
  func decision(
    after failure: CallFailure, attempt: Int, isRepeatable: Bool,
    now: ContinuousClock.Instant, deadline: ContinuousClock.Instant?, random: Double
  ) -> Decision {
    guard attempt < maxAttempts else { return .giveUp }
    switch failure.processing {
    case .certainlyNot:
      guard failure.error.code == .unavailable || failure.error.code == .cancelled else {
        return .giveUp
      }
    case .possibly:
      guard isRepeatable, failure.error.code == .unavailable else { return .giveUp }
    }
    let delay: Duration
    if let asked = failure.error.retryDelay {
      delay = asked
    } else if failure.processing == .certainlyNot, failure.connectionWasUp, attempt == 1 {
      // The connection closed under the call. Another one may be up at once; gRPC calls this a
      // transparent retry.
      delay = .zero
    } else {
      delay = backoff.delay(afterFailures: attempt, random: random)
    }
    if let deadline, now + delay >= deadline { return .giveUp }
    return .retry(after: delay)
  }
}

/// Exponentially growing delays with jitter.
public struct Backoff: Sendable, Hashable {
  /// The delay after the first failure.
  public var initial: Duration
  /// No delay is longer, jitter aside.
  public var maximum: Duration
  /// How much each delay is longer than the one before.
  public var multiplier: Double
  /// The largest part of a delay that chance adds or takes away, so that clients do not come back
  /// in step.
  public var jitter: Double

  /// Makes a back-off; the multiplier and the jitter are gRPC's.
  public init(
    initial: Duration = .milliseconds(100), maximum: Duration = .seconds(5),
    multiplier: Double = 1.6, jitter: Double = 0.2
  ) {
    precondition(initial >= .zero && maximum >= initial, "expected 0 <= initial <= maximum")
    precondition(multiplier >= 1 && (0...1).contains(jitter), "multiplier >= 1, jitter in 0...1")
    self.initial = initial
    self.maximum = maximum
    self.multiplier = multiplier
    self.jitter = jitter
  }

  /// The delay after the `count`-th failure in a row, with `random` in `0..<1`.
  func delay(afterFailures count: Int, random: Double) -> Duration {
    var delay = initial
    for _ in 1..<max(count, 1) where delay < maximum { delay = delay * multiplier }
    return min(delay, maximum) * (1 + jitter * (2 * random - 1))
  }
}

/// A failed attempt, with what the retry decision needs to know of it.
struct CallFailure: Error {
  enum Processing {
    /// The request did not reach a handler: never sent, refused, or above the last id of a GOAWAY.
    case certainlyNot
    /// A handler may have run.
    case possibly
  }

  let error: MassifError
  var processing: Processing
  /// Whether the attempt had a connection, which then failed it.
  var connectionWasUp = true
}
