// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport
internal import Synchronization

/// Makes connections over TLS on an event loop of the client's own.
final class TransportConnector: Connector {
  private let loop: EventLoop
  private let tls: TLSContext
  private let configuration: ConnectionConfiguration

  /// Reads the credentials and starts the loop's thread.
  init(credentials: Credentials, options: MassifClient.Options) throws(MassifError) {
    var configuration = ConnectionConfiguration()
    configuration.maxMessageSize = options.maxMessageByteCount
    configuration.handshakeTimeout = options.connectTimeout
    configuration.keepaliveInterval = Self.keepaliveInterval
    self.configuration = configuration
    do {
      tls = try TLSContext.client(
        TLSConfiguration(
          certificateChainPath: credentials.certificateChainPath,
          privateKeyPath: credentials.privateKeyPath, trustRootsPath: credentials.trustRootsPath))
      loop = try EventLoop(name: "massif-client")
    } catch {
      throw MassifError(.invalidArgument, error.message, cause: error)
    }
  }

  /// A dead server or network path shows within two of these.
  ///
  /// Servers that police pings allow one in five minutes by default; Massif's allows these.
  private static let keepaliveInterval = Duration.seconds(30)

  func connect(
    to address: ServerAddress, unusable: @escaping @Sendable () -> Void
  ) async throws(MassifError) -> any Connection {
    do {
      let connection = try await ClientConnection.connect(
        host: address.host, port: address.port, tls: tls, configuration: configuration, loop: loop,
        delegate: Fate(unusable))
      return TransportConnection(connection)
    } catch {
      let code: MassifError.Code = error.code == .cancelled ? .cancelled : .unavailable
      throw MassifError(code, "no connection to \(address): \(error.message)", cause: error)
    }
  }

  func shutDown() {
    loop.stop()
  }

  /// Tells once that a connection takes no more calls.
  private final class Fate: ClientConnectionDelegate {
    private let unusable: Mutex<(@Sendable () -> Void)?>

    init(_ unusable: @escaping @Sendable () -> Void) {
      self.unusable = Mutex(unusable)
    }

    func connectionDraining(_ connection: ClientConnection) { tell() }

    func connectionClosed(_ connection: ClientConnection, reason: TransportError) { tell() }

    private func tell() {
      let unusable = unusable.withLock { unusable in
        defer { unusable = nil }
        return unusable
      }
      unusable?()
    }
  }
}
