// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import MassifClient

struct RetryPolicyTests {
  private let now = ContinuousClock.now
  private let policy = RetryPolicy(
    maxAttempts: 4,
    backoff: Backoff(
      initial: .milliseconds(100), maximum: .seconds(1), multiplier: 2, jitter: 0.2))

  private func decide(
    _ code: MassifError.Code, _ processing: CallFailure.Processing = .possibly, attempt: Int = 1,
    isRepeatable: Bool = true, retryDelay: Duration? = nil, connectionWasUp: Bool = true,
    deadline: Duration? = nil
  ) -> RetryPolicy.Decision {
    policy.decision(
      after: CallFailure(
        error: MassifError(code, "", retryDelay: retryDelay), processing: processing,
        connectionWasUp: connectionWasUp), attempt: attempt, isRepeatable: isRepeatable, now: now,
      deadline: deadline.map { now + $0 }, random: 0.5)
  }

  @Test(arguments: MassifError.Code.allCases)
  func repeatsAProcessedCallOnUnavailableOnly(code: MassifError.Code) {
    let expected: RetryPolicy.Decision =
      code == .unavailable ? .retry(after: .milliseconds(100)) : .giveUp
    #expect(decide(code) == expected)
  }

  @Test func doesNotRepeatWhatMustNotBeRepeated() {
    #expect(decide(.unavailable, isRepeatable: false) == .giveUp)
  }

  @Test func repeatsAnythingThatWasCertainlyNotProcessed() {
    #expect(
      decide(.unavailable, .certainlyNot, isRepeatable: false, connectionWasUp: false)
        == .retry(after: .milliseconds(100)))
  }

  @Test func goesToAnotherConnectionAtOnceThenBacksOff() {
    #expect(decide(.unavailable, .certainlyNot) == .retry(after: .zero))
    #expect(decide(.unavailable, .certainlyNot, attempt: 2) == .retry(after: .milliseconds(200)))
  }

  @Test func growsToTheMaximum() {
    #expect(decide(.unavailable, attempt: 2) == .retry(after: .milliseconds(200)))
    #expect(decide(.unavailable, attempt: 3) == .retry(after: .milliseconds(400)))
    #expect(decide(.unavailable, attempt: 4) == .giveUp)
  }

  @Test func waitsAsLongAsTheServerAsks() {
    #expect(decide(.unavailable, retryDelay: .seconds(3)) == .retry(after: .seconds(3)))
  }

  @Test func doesNotWaitBeyondTheDeadline() {
    #expect(decide(.unavailable, deadline: .milliseconds(101)) == .retry(after: .milliseconds(100)))
    #expect(decide(.unavailable, deadline: .milliseconds(100)) == .giveUp)
    #expect(decide(.unavailable, retryDelay: .seconds(3), deadline: .seconds(2)) == .giveUp)
  }

  @Test func jitterStaysInItsBounds() {
    let backoff = Backoff(
      initial: .milliseconds(100), maximum: .seconds(1), multiplier: 2, jitter: 0.2)
    #expect(backoff.delay(afterFailures: 1, random: 0) == .milliseconds(80))
    #expect(backoff.delay(afterFailures: 1, random: 0.5) == .milliseconds(100))
    #expect(backoff.delay(afterFailures: 20, random: 0.5) == .seconds(1))
    for failures in 1...20 {
      for random in stride(from: 0.0, to: 1, by: 0.1) {
        let delay = backoff.delay(afterFailures: failures, random: random)
        #expect(delay >= .milliseconds(80) && delay <= .milliseconds(1200))
      }
    }
  }
}
