// SPDX-License-Identifier: Apache-2.0
import Logging
import MassifClient
import RPCServer
import RPCTransport
import TestSupport

/// A server on loopback with real TLS whose methods a test writes, and clients for it.
final class LoopbackServer: Sendable {
  let server: RPCServer
  let address: ServerAddress

  private init(_ router: Router, _ authority: TestAuthority, port: Int) async throws {
    var configuration = ServerConfiguration(tls: try authority.server())
    configuration.port = port
    configuration.eventLoopCount = 1
    configuration.accessLogging = .off
    server = RPCServer(
      configuration: configuration, router: router,
      access: TeamAccessPolicy(trustDomain: "massif.test", administratorTeams: []),
      log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    address = ServerAddress(host: "127.0.0.1", port: try await server.start().port)
  }

  /// Runs `body` with a server, within bounded time.
  static func run<Result: Sendable>(
    _ router: Router, _ authority: TestAuthority, port: Int = 0,
    _ body: @escaping @Sendable (LoopbackServer) async throws -> Result
  ) async throws -> Result {
    let server = try await LoopbackServer(router, authority, port: port)
    do {
      let result = try await within(.seconds(30)) { try await body(server) }
      await server.server.shutdown(grace: .zero)
      return result
    } catch {
      await server.server.shutdown(grace: .zero)
      throw error
    }
  }

  /// A client of this server whose pauses are short.
  func client(
    _ authority: TestAuthority, _ configure: (inout MassifClient.Options) -> Void = { _ in }
  ) throws -> MassifClient {
    try MassifClient([address], authority, configure)
  }
}

extension MassifClient {
  convenience init(
    _ addresses: [ServerAddress], _ authority: TestAuthority,
    _ configure: (inout MassifClient.Options) -> Void = { _ in }
  ) throws {
    let files = try authority.client()
    let backoff = Backoff(initial: .milliseconds(5), maximum: .milliseconds(50))
    var options = MassifClient.Options(
      retry: RetryPolicy(maxAttempts: 20, backoff: backoff),
      watchRetry: RetryPolicy(maxAttempts: 20, backoff: backoff), reconnection: backoff,
      timeout: .seconds(20))
    configure(&options)
    try self.init(
      addresses: addresses,
      credentials: Credentials(
        certificateChainPath: files.certificateChainPath, privateKeyPath: files.privateKeyPath,
        trustRootsPath: files.trustRootsPath), options: options)
  }
}
