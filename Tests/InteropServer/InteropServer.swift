// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Logging
import RPCServer
import RPCTransport
import TestSupport

/// A server of gRPC's interoperability tests on loopback, for clients that nobody here wrote.
///
/// Prints one line of JSON when it serves: the port and where the certificates are. Ends on SIGTERM, and by itself
/// after ten minutes, with its certificates.
@main enum InteropServer {
  static let longestLife = Duration.seconds(600)

  static func main() async throws {
    let authority = try TestAuthority()
    var configuration = ServerConfiguration(tls: try authority.server())
    configuration.port = 0
    let client = try authority.client(team: "interop", name: "client")
    var router = Router()
    TestService().register(in: &router)
    ErrorService().register(in: &router)
    let server = RPCServer(
      configuration: configuration, router: router,
      access: TeamAccessPolicy(trustDomain: "massif.test", administratorTeams: []),
      log: Logger(label: "interop") { StreamLogHandler.standardError(label: $0) })

    // Before the line is printed: whoever reads it may send the signal.
    signal(SIGTERM, SIG_IGN)
    let (stops, stop) = AsyncStream<Void>.makeStream()
    let source = DispatchSource.makeSignalSource(signal: SIGTERM)
    source.setEventHandler { @Sendable in stop.yield() }
    source.resume()
    let watchdog = Task {
      try await Task.sleep(for: longestLife)
      stop.yield()
    }

    let address = try await server.start()
    let line = try JSONSerialization.data(
      withJSONObject: [
        "port": address.port, "ca": authority.certificatePath,
        "certificate": client.certificateChainPath, "key": client.privateKeyPath,
      ], options: [.sortedKeys, .withoutEscapingSlashes])
    FileHandle.standardOutput.write(line + [UInt8(ascii: "\n")])
    for await _ in stops { break }
    watchdog.cancel()
    await server.shutdown(grace: .seconds(1))
    withExtendedLifetime((authority, source)) {}
  }
}
