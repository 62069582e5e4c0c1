// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Testing

@testable import RPCServer

struct QuotaLedgerTests {
  let alice: Principal
  let bob: Principal

  init() throws {
    alice = try Principal(trustDomain: "d", team: "a", name: "alice")
    bob = try Principal(trustDomain: "d", team: "a", name: "bob")
  }

  @Test func boundIsAPrincipalsOverAllItsConnections() throws {
    let ledger = QuotaLedger(maxConcurrentCalls: 2)
    let (first, second, other) = (ledger.open(alice), ledger.open(alice), ledger.open(bob))
    try first.begin()
    try second.begin()
    let error = #expect(throws: RPCError.self) { try first.begin() }
    #expect(error?.code == .resourceExhausted)
    #expect(
      error?.details == [
        .quotaFailure([
          QuotaViolation(
            subject: alice.spiffeID, description: "at most 2 calls in progress for each caller")
        ]),
        .retryInfo(.milliseconds(100)),
      ])
    try other.begin()
    second.end()
    try first.begin()
    #expect(first.callCount == 2)
  }

  @Test func refusedCallIsNotCounted() throws {
    let account = QuotaLedger(maxConcurrentCalls: 1).open(alice)
    try account.begin()
    for _ in 0..<3 { #expect(throws: RPCError.self) { try account.begin() } }
    #expect(account.callCount == 1)
    account.end()
    try account.begin()
  }

  @Test func accountIsForgottenWithTheLastConnection() {
    let ledger = QuotaLedger()
    let accounts = [ledger.open(alice), ledger.open(alice), ledger.open(bob)]
    #expect(ledger.principalCount == 2)
    for account in accounts { ledger.close(account) }
    #expect(ledger.principalCount == 0)
  }
}
