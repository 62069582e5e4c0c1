// SPDX-License-Identifier: Apache-2.0

/// Runs a call to its end: takes a connection, makes an attempt, and performs what ``RetryPolicy``
/// decides.
struct CallRunner: Sendable {
  let channel: Channel
  let retry: RetryPolicy
  let surroundings: Surroundings

  /// Runs attempts until one succeeds or the policy gives up.
  ///
  /// - Parameter isRepeatable: whether making the call twice does no harm.
  func run<Result>(
    deadline: ContinuousClock.Instant?, isRepeatable: Bool,
    _ attempt: (any Connection) async throws(CallFailure) -> Result
  ) async throws(MassifError) -> Result {
    var number = 1
    while true {
      let failure: CallFailure
      do throws(CallFailure) {
        try checkBefore(deadline)
        return try await attempt(try await channel.connection(deadline: deadline))
      } catch {
        failure = error
      }
      // A connection that failed for want of this task says nothing about the server.
      if Task.isCancelled { throw CallFailure.cancelled(processing: failure.processing).error }
      switch retry.decision(
        after: failure, attempt: number, isRepeatable: isRepeatable, now: surroundings.now(),
        deadline: deadline, random: surroundings.random())
      {
      case .giveUp: throw failure.error
      case .retry(let delay):
        number += 1
        if delay > .zero { try await pause(delay) }
      }
    }
  }

  private func checkBefore(_ deadline: ContinuousClock.Instant?) throws(CallFailure) {
    if Task.isCancelled { throw .cancelled(processing: .certainlyNot) }
    if let deadline, surroundings.now() >= deadline {
      throw CallFailure(
        error: MassifError(.deadlineExceeded, "the deadline had passed before the call was sent"),
        processing: .certainlyNot, connectionWasUp: false)
    }
  }

  private func pause(_ delay: Duration) async throws(MassifError) {
    do {
      try await surroundings.sleep(delay)
    } catch {
      throw CallFailure.cancelled(processing: .certainlyNot).error
    }
  }
}
