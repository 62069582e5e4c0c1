// SPDX-License-Identifier: Apache-2.0
import Glibc
import Logging
import RPCServer
import RPCTransport
import TestSupport
import Testing

struct ListenerTests {
  /// Tells on which thread each call is handled.
  struct ThreadRecorder: UnaryDataPlaneHandler {
    let threads = Recorder<UInt>()

    func handle(_ call: UnaryCall) {
      threads.record(UInt(pthread_self()))
      call.succeed(OutgoingMessage(head: call.message.buffer))
    }
  }

  @Test func connectionsAreSpreadEvenly() async throws {
    let handler = ThreadRecorder()
    var router = Router()
    router.register(dataPlane: "/t.S/Thread", requires: .infer, handler: handler)
    try await LoopbackServer.run(router) { fixture in
      for _ in 0..<8 { _ = try await fixture.connect().echo("/t.S/Thread") }
      let threads = handler.threads.events
      #expect(Set(threads).count == 2)
      for thread in Set(threads) { #expect(threads.count { $0 == thread } == 4) }
      #expect(fixture.server.connectionCount == 8)
    }
  }

  @Test func connectionsBeyondTheBoundAreClosed() async throws {
    try await LoopbackServer.run(.echo, configure: { $0.maxConnections = 1 }) { fixture in
      let first = try await fixture.connect()
      await #expect(throws: TransportError.self) { try await fixture.connect() }
      #expect(try await first.echo("/t.Echo/Inline") == "hello")
    }
  }

  @Test func aPeerHasItsShareOfConnections() async throws {
    try await LoopbackServer.run(
      .echo,
      configure: {
        $0.maxConnectionsPerPeer = 2
        $0.unixSocketPath = $0.tls.certificateChainPath + ".sock"
      }
    ) { fixture in
      let first = try await fixture.connect()
      _ = try await fixture.connect()
      await #expect(throws: TransportError.self) { try await fixture.connect() }
      try await fixture.log.wait { $0.contains { $0.contains("as many connections as one may") } }
      #expect(try await first.echo("/t.Echo/Inline") == "hello")
      // A sidecar is no stranger, and comes in beside them.
      let path = try #require(fixture.unixSocketPath)
      let sidecar = try await ClientConnection.connect(
        host: "unix:\(path)", port: 0, tls: try TLSContext.client(fixture.authority.client()),
        loop: fixture.clientLoop)
      #expect(try await sidecar.echo("/t.Echo/Unary") == "hello")
    }
  }

  @Test func closedConnectionMakesRoom() async throws {
    try await LoopbackServer.run(.echo, configure: { $0.maxConnections = 1 }) { fixture in
      let first = try await fixture.connect()
      #expect(try await first.echo("/t.Echo/Inline") == "hello")
      first.close()
      while fixture.server.connectionCount > 0 { await Task.yield() }
      #expect(try await fixture.connect().echo("/t.Echo/Inline") == "hello")
    }
  }

  @Test func loopbackIsTheDefault() async throws {
    let authority = try TestAuthority()
    let configuration = ServerConfiguration(tls: try authority.server())
    #expect(configuration.host == "127.0.0.1")
    #expect(configuration.accessLogging == .controlPlane)
  }

  @Test(arguments: ["localhost", "nowhere.invalid", "", "127.0.0.1:80"])
  func hostThatIsNoAddressIsRefused(host: String) async throws {
    let authority = try TestAuthority()
    var configuration = ServerConfiguration(tls: try authority.server())
    configuration.host = host
    let server = RPCServer(
      configuration: configuration, router: .echo, access: LoopbackServer.policy,
      log: Logger(label: "test"))
    let error = await #expect(throws: TransportError.self) { try await server.start() }
    #expect(error?.code == .invalidArgument)
  }

  @Test func addressThatIsTakenIsRefused() async throws {
    try await LoopbackServer.run(.echo) { fixture in
      var configuration = ServerConfiguration(tls: try fixture.authority.server())
      configuration.port = fixture.address.port
      let second = RPCServer(
        configuration: configuration, router: .echo, access: LoopbackServer.policy,
        log: Logger(label: "test"))
      let error = await #expect(throws: TransportError.self) { try await second.start() }
      #expect(error?.code == .system)
    }
  }

  @Test func missingCertificateIsNamed() async throws {
    let authority = try TestAuthority()
    var tls = try authority.server()
    tls.certificateChainPath = authority.directory.file("nothing.pem")
    let server = RPCServer(
      configuration: ServerConfiguration(tls: tls), router: .echo, access: LoopbackServer.policy,
      log: Logger(label: "test"))
    let error = await #expect(throws: TransportError.self) { try await server.start() }
    #expect(error?.code == .certificate)
    #expect(error?.message.contains("nothing.pem") == true)
  }
}
