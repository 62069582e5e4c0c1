// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// Counts the connections that are open, in sum and for each peer.
struct ConnectionLimits {
  /// Why a connection is not taken.
  enum Refusal: String {
    case total = "the server has as many connections as it takes"
    case peer = "the peer has as many connections as one may have"
  }

  private let maxTotal: Int
  private let maxPerPeer: Int
  private var counts: [SocketAddress.PeerNetwork: Int] = [:]
  private(set) var total = 0

  init(maxTotal: Int, maxPerPeer: Int) {
    self.maxTotal = maxTotal
    self.maxPerPeer = maxPerPeer
  }

  /// Counts a connection, or says why there cannot be one more.
  mutating func open(_ peer: SocketAddress.PeerNetwork?) -> Refusal? {
    guard total < maxTotal else { return .total }
    if let peer {
      let count = counts[peer, default: 0]
      guard count < maxPerPeer else { return .peer }
      counts[peer] = count + 1
    }
    total += 1
    return nil
  }

  /// Counts a connection that was counted and is gone.
  mutating func close(_ peer: SocketAddress.PeerNetwork?) {
    total -= 1
    guard let peer, let count = counts[peer] else { return }
    counts[peer] = count > 1 ? count - 1 : nil
  }
}
