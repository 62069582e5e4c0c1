// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import RPCServer
internal import RPCTransport

/// How connections live: the settings, read and checked.
struct ServeConnectionSettings {
  private let unixSocketPath: String?
  private let revocationListPath: String
  private let isRevocationListOptional: Bool
  private let maxConnections: Int
  private let maxConnectionsPerPeer: Int
  private let handshake: Duration
  private let header: Duration
  private let stall: Duration
  private let keepalive: Duration?
  private let minPing: Duration
  private let idle: Duration?
  private let maxAge: Duration?
  private let maxAgeGrace: Duration

  /// - Parameter value: the effective text of a setting.
  init(
    certificates: String, _ value: (Setting) throws(CommandError) -> String
  ) throws(CommandError) {
    func number(_ setting: Setting, _ range: ClosedRange<Int>) throws(CommandError) -> Int {
      try setting.number(in: range, try value(setting))
    }
    func seconds(_ setting: Setting) throws(CommandError) -> Duration? {
      let seconds = try number(setting, 0...31_536_000)
      return seconds == 0 ? nil : .seconds(seconds)
    }
    let socket = try value(.unixSocket)
    unixSocketPath = socket.isEmpty ? nil : socket
    let list = try value(.revocationList)
    let beside = URL(filePath: certificates).appending(path: "crl.pem").path
    revocationListPath = list.isEmpty ? beside : list
    isRevocationListOptional = list.isEmpty
    maxConnections = try number(.maxConnections, 1...1_000_000)
    maxConnectionsPerPeer = try number(.maxConnectionsPerPeer, 0...1_000_000)
    handshake = .seconds(try number(.handshakeSeconds, 1...3600))
    header = .seconds(try number(.headerSeconds, 1...3600))
    stall = .seconds(try number(.stallSeconds, 1...3600))
    keepalive = try seconds(.keepaliveSeconds)
    minPing = .seconds(try number(.minPingSeconds, 0...3600))
    idle = try seconds(.idleSeconds)
    maxAge = try seconds(.maxAgeSeconds)
    maxAgeGrace = .seconds(try number(.maxAgeGraceSeconds, 1...31_536_000))
  }

  func apply(to configuration: inout ServerConfiguration) {
    configuration.unixSocketPath = unixSocketPath
    configuration.tls.revocationListPath = revocationListPath
    configuration.tls.isRevocationListOptional = isRevocationListOptional
    configuration.maxConnections = maxConnections
    configuration.maxConnectionsPerPeer = maxConnectionsPerPeer == 0 ? nil : maxConnectionsPerPeer
    configuration.connection.handshakeTimeout = handshake
    configuration.connection.headerTimeout = header
    configuration.connection.stallTimeout = stall
    configuration.connection.keepaliveInterval = keepalive
    configuration.connection.minPingInterval = minPing
    configuration.connection.idleTimeout = idle
    configuration.connection.maxAge = maxAge
    configuration.connection.drainGrace = maxAgeGrace
  }
}

extension Setting {
  /// Reads a whole number, or says what was expected.
  func number(in range: ClosedRange<Int>, _ text: String) throws(CommandError) -> Int {
    guard let number = Int(text), range.contains(number) else {
      throw CommandError(
        flag, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)",
        came: "\"\(text)\"", hint: about)
    }
    return number
  }
}
