// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct FloodGuardTests {
  @Test func aBurstIsAdmittedAndAFloodIsNot() {
    let now = ContinuousClock.now
    var guardian = FloodGuard(now: now)
    let admitted = (0..<Int(FloodGuard.burst) + 1).map { _ in guardian.admit(now: now) }
    #expect(admitted.dropLast().allSatisfy { $0 })
    #expect(admitted.last == false)
  }

  @Test func yearsOfKeepaliveAreNoFlood() {
    var now = ContinuousClock.now
    var guardian = FloodGuard(now: now)
    for _ in 0..<100_000 {
      now += .milliseconds(10)
      let isAdmitted = guardian.admit(now: now)
      #expect(isAdmitted)
    }
  }
}
