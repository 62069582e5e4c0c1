// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser

/// The flags of `massif serve` that say how connections live.
struct ServeConnectionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A Unix-domain socket to serve on as well, with the same certificates (default: none; environment: MASSIF_UNIX_SOCKET).",
      valueName: "path"))
  var unixSocket: String?

  @Option(
    help: ArgumentHelp(
      "Revoked certificates, in PEM (default: crl.pem beside ca.pem; environment: MASSIF_REVOCATION_LIST).",
      valueName: "file"))
  var revocationList: String?

  @Option(
    help: ArgumentHelp(
      "Connections that may be open at once (default: 16384; environment: MASSIF_MAX_CONNECTIONS).",
      valueName: "count"))
  var maxConnections: String?

  @Option(
    help: ArgumentHelp(
      "Connections of one IPv4 address or IPv6 /64; 0 for as many as there may be (default: 0; environment: MASSIF_MAX_CONNECTIONS_PER_PEER).",
      valueName: "count"))
  var maxConnectionsPerPeer: String?

  @Option(
    help: ArgumentHelp(
      "How long a client may take to prove itself (default: 10; environment: MASSIF_HANDSHAKE_SECONDS).",
      valueName: "seconds"))
  var handshakeSeconds: String?

  @Option(
    help: ArgumentHelp(
      "How long a call's headers may take to arrive (default: 10; environment: "
        + "MASSIF_HEADER_SECONDS).", valueName: "seconds"))
  var headerSeconds: String?

  @Option(
    help: ArgumentHelp(
      "How long a client may not read an answer, or send a message at less than 1 KiB/s (default: "
        + "60; environment: MASSIF_STALL_SECONDS).", valueName: "seconds"))
  var stallSeconds: String?

  @Option(
    help: ArgumentHelp(
      "How long a client is silent before it is pinged; 0 for never (default: 120; environment: MASSIF_KEEPALIVE_SECONDS).",
      valueName: "seconds"))
  var keepaliveSeconds: String?

  @Option(
    help: ArgumentHelp(
      "Clients that ping more often than this are closed (default: 5; environment: MASSIF_MIN_PING_SECONDS).",
      valueName: "seconds"))
  var minPingSeconds: String?

  @Option(
    help: ArgumentHelp(
      "How long a connection may have no call; 0 for ever (default: 3600; environment: MASSIF_IDLE_SECONDS).",
      valueName: "seconds"))
  var idleSeconds: String?

  @Option(
    help: ArgumentHelp(
      "How old a connection may get, give or take a tenth; 0 for any age (default: 0; environment: MASSIF_MAX_AGE_SECONDS).",
      valueName: "seconds"))
  var maxAgeSeconds: String?

  @Option(
    help: ArgumentHelp(
      "How long calls may go on on a connection that is too old (default: 60; environment: MASSIF_MAX_AGE_GRACE_SECONDS).",
      valueName: "seconds"))
  var maxAgeGraceSeconds: String?

  /// What the flags give for a setting.
  func flag(_ setting: Setting) -> String? {
    switch setting {
    case .unixSocket: unixSocket
    case .revocationList: revocationList
    case .maxConnections: maxConnections
    case .maxConnectionsPerPeer: maxConnectionsPerPeer
    case .handshakeSeconds: handshakeSeconds
    case .headerSeconds: headerSeconds
    case .stallSeconds: stallSeconds
    case .keepaliveSeconds: keepaliveSeconds
    case .minPingSeconds: minPingSeconds
    case .idleSeconds: idleSeconds
    case .maxAgeSeconds: maxAgeSeconds
    case .maxAgeGraceSeconds: maxAgeGraceSeconds
    default: nil
    }
  }
}
