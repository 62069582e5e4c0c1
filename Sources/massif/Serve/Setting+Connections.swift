// SPDX-License-Identifier: Apache-2.0

extension Setting {
  static let unixSocket = Setting(
    key: "unix_socket", flag: "--unix-socket", environment: "MASSIF_UNIX_SOCKET",
    defaultValue: "",
    about: "a Unix-domain socket to serve on as well, for sidecars; empty for none")
  static let revocationList = Setting(
    key: "revocation_list", flag: "--revocation-list", environment: "MASSIF_REVOCATION_LIST",
    defaultValue: "",
    about: "revoked certificates, in PEM; empty for crl.pem beside ca.pem, where it is there")
  static let maxConnections = Setting(
    key: "max_connections", flag: "--max-connections", environment: "MASSIF_MAX_CONNECTIONS",
    defaultValue: "16384",
    about: "connections that may be open at once")
  static let maxConnectionsPerPeer = Setting(
    key: "max_connections_per_peer", flag: "--max-connections-per-peer",
    environment: "MASSIF_MAX_CONNECTIONS_PER_PEER",
    defaultValue: "0",
    about: "connections of one IPv4 address or IPv6 /64; 0 for as many as there may be")
  static let handshakeSeconds = Setting(
    key: "handshake_seconds", flag: "--handshake-seconds", environment: "MASSIF_HANDSHAKE_SECONDS",
    defaultValue: "10",
    about: "how long a client may take from the connection to its HTTP/2 settings")
  static let headerSeconds = Setting(
    key: "header_seconds", flag: "--header-seconds", environment: "MASSIF_HEADER_SECONDS",
    defaultValue: "10", about: "how long a call's headers may take to arrive")
  static let stallSeconds = Setting(
    key: "stall_seconds", flag: "--stall-seconds", environment: "MASSIF_STALL_SECONDS",
    defaultValue: "60",
    about: "how long a client may not read an answer, or send a message at less than 1 KiB/s")
  static let keepaliveSeconds = Setting(
    key: "keepalive_seconds", flag: "--keepalive-seconds", environment: "MASSIF_KEEPALIVE_SECONDS",
    defaultValue: "120",
    about: "how long a client is silent before it is pinged; 0 for never")
  static let minPingSeconds = Setting(
    key: "min_ping_seconds", flag: "--min-ping-seconds", environment: "MASSIF_MIN_PING_SECONDS",
    defaultValue: "5",
    about: "clients that ping more often, while nothing is sent to them, are closed")
  static let idleSeconds = Setting(
    key: "idle_seconds", flag: "--idle-seconds", environment: "MASSIF_IDLE_SECONDS",
    defaultValue: "3600",
    about: "how long a connection may have no call before it is closed; 0 for ever")
  static let maxAgeSeconds = Setting(
    key: "max_age_seconds", flag: "--max-age-seconds", environment: "MASSIF_MAX_AGE_SECONDS",
    defaultValue: "0",
    about: "how old a connection may get, give or take a tenth; 0 for any age")
  static let maxAgeGraceSeconds = Setting(
    key: "max_age_grace_seconds", flag: "--max-age-grace-seconds",
    environment: "MASSIF_MAX_AGE_GRACE_SECONDS",
    defaultValue: "60",
    about: "how long calls may go on on a connection that is too old")

  /// The settings of `massif serve` that say how connections live.
  static let connections: [Setting] = [
    .unixSocket, .revocationList, .maxConnections, .maxConnectionsPerPeer, .handshakeSeconds,
    .headerSeconds, .stallSeconds,
    .keepaliveSeconds, .minPingSeconds, .idleSeconds, .maxAgeSeconds, .maxAgeGraceSeconds,
  ]
}
