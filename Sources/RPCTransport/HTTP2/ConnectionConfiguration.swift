// SPDX-License-Identifier: Apache-2.0

/// The bounds of one connection, the same for either end.
///
/// Each is checked before memory is taken.
public struct ConnectionConfiguration: Sendable {
  /// Calls that may be open at once; more are refused, and clients wait.
  public var maxConcurrentStreams = 256
  /// Names and values of one header list, 32 bytes added to each as HTTP/2 counts (RFC 9113 §6.5.2).
  public var maxHeaderListByteCount = 16 << 10
  /// The message limit of a call until ``MessageStream/maxMessageSize`` says otherwise: gRPC's
  /// customary one.
  public var maxMessageSize = 4 << 20
  /// Messages of all calls that are being received, by their announced length.
  ///
  /// A call that would go beyond it fails with RESOURCE_EXHAUSTED.
  public var maxAssemblingByteCount = 256 << 20
  /// Messages of all calls that were compressed and are in use, by their decompressed length.
  ///
  /// A call that would go beyond it fails with RESOURCE_EXHAUSTED.
  public var maxDecompressedByteCount = 256 << 20
  /// Bytes that one call may have under way before this end has read them.
  public var streamWindowByteCount = 4 << 20
  /// Bytes that all calls may have under way before this end has read them.
  public var connectionWindowByteCount = 16 << 20
  /// Bytes received for paused calls from which on the whole connection is slowed down.
  public var maxHeldByteCount = 64 << 20
  /// The largest frame that is received.
  public var maxFrameByteCount = 256 << 10
  /// Outgoing bytes of one call at which `send` says to pause.
  public var highWaterByteCount = 1 << 20
  /// Outgoing bytes of one call under which `writable` is called.
  public var lowWaterByteCount = 256 << 10
  /// From the connected socket to the peer's HTTP/2 settings.
  public var handshakeTimeout = Duration.seconds(10)
  /// From the first byte of a header list to its last.
  public var headerTimeout = Duration.seconds(10)
  /// The accepting end only: how long an answer may stand still because the client does not read.
  public var stallTimeout = Duration.seconds(60)
  /// How long a draining connection waits for the peer's answer to a ping.
  public var drainPingTimeout = Duration.seconds(5)
  /// How long a closed connection waits for the peer to read what was sent.
  public var lingerTimeout = Duration.seconds(2)
  /// How long the peer is silent before this end pings, or nil for never.
  public var keepaliveInterval: Duration? = nil
  /// How long a ping may go unanswered before the connection closes.
  public var keepaliveTimeout = Duration.seconds(20)
  /// The accepting end only: pings that come more often, while nothing is sent to the client, are
  /// too many.
  ///
  /// gRPC's own servers allow one in five minutes; clients are set to what their servers bear, and
  /// one in some seconds costs nothing.
  public var minPingInterval = Duration.seconds(5)
  /// The accepting end only: how long a connection may have no call before it is drained, or nil
  /// for ever.
  public var idleTimeout: Duration? = nil
  /// The accepting end only: how old a connection may get before it is drained, or nil for any age.
  ///
  /// Up to a tenth is added or taken away by chance, so that connections that began together do not
  /// end together.
  public var maxAge: Duration? = nil
  /// How long calls may go on on a connection that is drained for its age or its certificate.
  public var drainGrace = Duration.seconds(60)

  /// Makes a configuration with safe defaults.
  public init() {}
}
