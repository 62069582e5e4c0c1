// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import Testing

@testable import RPCServer

@Suite struct ConnectionLimitsTests {
  private func network(_ host: String) throws -> SocketAddress.PeerNetwork? {
    try SocketAddress(host: host, port: 1).peerNetwork
  }

  @Test func onePeerLeavesRoomForOthers() throws {
    var limits = ConnectionLimits(maxTotal: 3, maxPerPeer: 2)
    let (a, b) = (try network("10.0.0.1"), try network("10.0.0.2"))
    #expect(limits.open(a) == nil)
    #expect(limits.open(a) == nil)
    #expect(limits.open(a) == .peer)
    #expect(limits.open(b) == nil)
    #expect(limits.open(b) == .total)
    limits.close(a)
    #expect(limits.open(a) == nil)
    #expect(limits.total == 3)
  }

  @Test func whatIsOfThisMachineCountsInSumAlone() {
    var limits = ConnectionLimits(maxTotal: 3, maxPerPeer: 1)
    for _ in 0..<3 { #expect(limits.open(nil) == nil) }
    #expect(limits.open(nil) == .total)
  }
}
