// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RPCTransport

@Suite struct ReceiveLedgerTests {
  @Test func messagesAreAdmittedUpToTheLimit() {
    var ledger = ReceiveLedger()
    let admitted = [4, 6, 1, 0].map { ledger.admit($0, limit: 10) }
    #expect(admitted == [true, true, false, true])
    ledger.complete(4)
    let next = [5, 4].map { ledger.admit($0, limit: 10) }
    #expect(next == [false, true])
    #expect(ledger.assemblingByteCount == 10)
  }

  @Test func windowIsWithheldBeyondTheLimitAndGivenBackOnce() {
    var ledger = ReceiveLedger()
    let given = [6, 4, 5, 2].map { ledger.hold($0, limit: 10) }
    #expect(given == [6, 4, 0, 0])
    #expect(ledger.heldByteCount == 17)
    let back = [6, 1, 5, 5].map { ledger.release($0, limit: 10) }
    #expect(back == [0, 7, 0, 0])
    #expect(ledger.heldByteCount == 0)
  }
}
