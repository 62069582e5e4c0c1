// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct PingPoliceTests {
  private let start = ContinuousClock.now

  private func verdicts(_ pings: [(seconds: Int, hasSent: Bool)]) -> [Bool] {
    var police = PingPolice()
    return pings.map { ping in
      if ping.hasSent { police.hasSent = true }
      return police.admit(now: start + .seconds(ping.seconds), minInterval: .seconds(5))
    }
  }

  @Test func pingsWithRestBetweenAreWelcome() {
    #expect(verdicts((0..<50).map { ($0 * 5, false) }).allSatisfy { $0 })
  }

  @Test func twoStrikesAreForgiven() {
    #expect(verdicts((0..<4).map { ($0, false) }) == [true, true, true, false])
  }

  @Test func whatIsSentForgivesAll() {
    #expect(verdicts((0..<50).map { ($0, $0 % 3 == 2) }).allSatisfy { $0 })
  }
}
