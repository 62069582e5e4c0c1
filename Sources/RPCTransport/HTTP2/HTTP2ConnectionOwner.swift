// SPDX-License-Identifier: Apache-2.0

/// The role's side of a connection: what a server and a client do differently.
///
/// Loop only.
protocol HTTP2ConnectionOwner: AnyObject {
  /// The TLS handshake is done; HTTP/2 begins.
  func secured(peer: PeerCertificate?)
  /// The peer's HTTP/2 settings have come, so it accepts this end.
  func ready()
  /// The peer opens a stream; nil refuses to.
  func makeStream() -> MessageStream?
  /// The peer answers a ping.
  func pingAnswered(_ payload: UInt64)
  /// A GOAWAY of this end is on its way.
  func goAwaySent()
  /// The peer will process no streams after `lastStreamID`.
  func goAwayReceived(lastStreamID: Int32, code: UInt32, debug: String)
  /// The next time at which ``keepHouse(_:)`` is to be called though nothing happens; nil for none.
  var nextDeadline: ContinuousClock.Instant? { get }
  /// Looks after what has to happen in time.
  func keepHouse(_ now: ContinuousClock.Instant)
  /// A call was given up because the peer let it stand still.
  func callDropped(_ why: String)
  /// A stream is gone and nobody holds it any more but the caller; it may be used again.
  func streamRetired(_ stream: MessageStream)
  /// A stream is gone.
  func streamClosed()
  /// The connection is gone; called once, as the last.
  func closed(_ reason: TransportError)
}
