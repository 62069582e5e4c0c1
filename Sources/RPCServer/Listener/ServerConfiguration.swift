// SPDX-License-Identifier: Apache-2.0
public import RPCTransport

/// Where a server listens, who it is, and its bounds.
///
/// There is no way to leave ``tls`` out, nor to let a client without a certificate in: a server
/// that is reachable is one that authenticates.
public struct ServerConfiguration: Sendable {
  /// Who writes a line to the log for each call.
  public enum AccessLogging: Sendable, Hashable {
    case off
    /// Calls of the control plane: the default, because a line costs more than an inference.
    case controlPlane
    case everything
  }

  /// The numeric address to listen on; loopback unless told otherwise.
  public var host = "127.0.0.1"
  /// The port; 0 for any that is free.
  public var port = 8001
  /// A Unix-domain socket to listen on as well, for sidecars on the same machine; nil for none.
  ///
  /// TLS, the client's certificate and everything else are as on the port: a socket's file mode is
  /// no identity.
  public var unixSocketPath: String?
  /// The server's certificate and the authority of its clients.
  public var tls: TLSConfiguration
  /// Event loops; nil for one a core.
  public var eventLoopCount: Int?
  /// How often the certificates' files are looked at for changes.
  public var certificateCheckInterval = Duration.seconds(5)
  /// Connections that may be open at once; more are closed as soon as they are accepted.
  public var maxConnections = 16_384
  /// Connections that one peer may have (an IPv4 address, or a /64 of IPv6), so that others find
  /// room too; nil for as many as there may be.
  ///
  /// Clients behind one address translation or proxy share it.
  public var maxConnectionsPerPeer: Int?
  /// The bounds of each connection, its message limit among them.
  public var connection: ConnectionConfiguration
  /// Which calls the log tells of.
  public var accessLogging = AccessLogging.controlPlane

  /// Whether calls are counted and measured; see ``ServerMetrics``.
  public var measuresCalls = true
  /// Where `/metrics` is told over plain HTTP/1.1, for scrapers without a client certificate; nil:
  /// nowhere.
  ///
  /// A numeric address and a port, 0 for any that is free.
  public var plainMetrics: (host: String, port: Int)?

  /// Large enough for a batch of a hundred camera images as FP32, small enough that a client's
  /// streams do not exhaust the server.
  public static let defaultMaxMessageSize = 64 << 20

  /// Makes a configuration with safe defaults.
  public init(tls: TLSConfiguration) {
    self.tls = tls
    connection = ConnectionConfiguration()
    connection.maxMessageSize = ServerConfiguration.defaultMaxMessageSize
    connection.keepaliveInterval = .seconds(120)
    connection.idleTimeout = .seconds(3600)
  }
}
