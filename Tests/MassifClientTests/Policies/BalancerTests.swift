// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import MassifClient

struct BalancerTests {
  private let now = ContinuousClock.now
  private let backoff = Backoff(
    initial: .seconds(1), maximum: .seconds(8), multiplier: 2, jitter: 0)

  @Test func pickFirstConnectsToOneAndStaysWithIt() {
    var balancer = Balancer(policy: .pickFirst, count: 3)
    #expect(balancer.pick(now: now) == .init(connect: [0], outcome: .wait))
    // A second call while the first connects starts nothing.
    #expect(balancer.pick(now: now) == .init(outcome: .wait))
    balancer.connected(0)
    for _ in 0..<3 { #expect(balancer.pick(now: now) == .init(outcome: .use(0))) }
  }

  @Test func pickFirstGoesDownTheListAndFailsAtItsEnd() {
    var balancer = Balancer(policy: .pickFirst, count: 2)
    _ = balancer.pick(now: now)
    balancer.failed(0, now: now, backoff: backoff, random: 0.5)
    #expect(balancer.pick(now: now) == .init(connect: [1], outcome: .wait))
    balancer.failed(1, now: now + .milliseconds(300), backoff: backoff, random: 0.5)
    #expect(
      balancer.pick(now: now + .milliseconds(400))
        == .init(outcome: .fail(retryAfter: .milliseconds(600))))
    // When its pause is over, the first is tried again.
    #expect(balancer.pick(now: now + .seconds(1)) == .init(connect: [0], outcome: .wait))
  }

  @Test func aClosedConnectionIsMadeAgainAtOnce() {
    var balancer = Balancer(policy: .pickFirst, count: 1)
    _ = balancer.pick(now: now)
    balancer.connected(0)
    balancer.closed(0)
    #expect(balancer.pick(now: now) == .init(connect: [0], outcome: .wait))
  }

  @Test func pausesGrowWithFailuresAndEndWithSuccess() {
    var balancer = Balancer(policy: .pickFirst, count: 1)
    var time = now
    for expected in [1, 2, 4, 8, 8] {
      #expect(balancer.pick(now: time) == .init(connect: [0], outcome: .wait))
      balancer.failed(0, now: time, backoff: backoff, random: 0.5)
      #expect(balancer.pick(now: time) == .init(outcome: .fail(retryAfter: .seconds(expected))))
      time += .seconds(expected)
    }
    _ = balancer.pick(now: time)
    balancer.connected(0)
    balancer.closed(0)
    _ = balancer.pick(now: time)
    balancer.failed(0, now: time, backoff: backoff, random: 0.5)
    #expect(balancer.pick(now: time) == .init(outcome: .fail(retryAfter: .seconds(1))))
  }

  @Test func roundRobinConnectsToAllAndTakesTurns() {
    var balancer = Balancer(policy: .roundRobin, count: 3)
    #expect(balancer.pick(now: now) == .init(connect: [0, 1, 2], outcome: .wait))
    balancer.connected(1)
    // No call waits for the others while one is there.
    #expect(balancer.pick(now: now) == .init(outcome: .use(1)))
    balancer.connected(0)
    balancer.connected(2)
    let turns = (0..<6).map { _ in balancer.pick(now: now).outcome }
    #expect(turns == [.use(2), .use(0), .use(1), .use(2), .use(0), .use(1)])
  }

  @Test func roundRobinLeavesOutWhatIsDownAndTriesItAgainOnTheSide() {
    var balancer = Balancer(policy: .roundRobin, count: 2)
    _ = balancer.pick(now: now)
    balancer.connected(0)
    balancer.failed(1, now: now, backoff: backoff, random: 0.5)
    for _ in 0..<3 { #expect(balancer.pick(now: now) == .init(outcome: .use(0))) }
    #expect(balancer.pick(now: now + .seconds(1)) == .init(connect: [1], outcome: .use(0)))
    balancer.closed(0)
    balancer.failed(1, now: now + .seconds(1), backoff: backoff, random: 0.5)
    #expect(balancer.pick(now: now + .seconds(1)) == .init(connect: [0], outcome: .wait))
    balancer.failed(0, now: now + .seconds(1), backoff: backoff, random: 0.5)
    #expect(
      balancer.pick(now: now + .seconds(1)) == .init(outcome: .fail(retryAfter: .seconds(1))))
  }
}
