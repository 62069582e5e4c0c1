// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import Synchronization
import TestSupport
import Testing

@testable import RPCTransport

/// Who gets in, who does not, and who is noticed as whom.
@Suite struct HandshakeTests {
  private let authority: TestAuthority
  private let server: TestServer

  init() throws {
    authority = try TestAuthority()
    server = try TestServer(authority.server())
  }

  private func connect(
    _ configuration: TLSConfiguration, host: String = "127.0.0.1", port: Int? = nil
  ) async throws {
    let loop = try EventLoop(name: "test-client")
    defer { loop.stop() }
    let tls = try TLSContext.client(configuration)
    let port = port ?? server.port
    try await within {
      let client = try await ClientConnection.connect(host: host, port: port, tls: tls, loop: loop)
      client.close()
    }
  }

  @Test func everyURIOfTheClientIsSeen() async throws {
    defer { server.stop() }
    let names = ["spiffe://massif.test/team/a/b", "urn:x:y", "spiffe://massif.test/team/c/d"]
    try await connect(authority.client(uriNames: names))
    try await server.events.wait { $0.contains(.ready(uriNames: names)) }
  }

  @Test func theCertificateIsReadWhole() async throws {
    let loopback = try await Loopback()
    defer { server.stop() }
    let peer = try #require(
      try await loopback.server.onLoop { loopback.server.connections[0].peer })
    #expect(peer.subject.contains("CN=test client"))
    #expect(peer.notAfter > 1_700_000_000)
    #expect(peer.der.starts(with: [0x30, 0x82]))
  }

  @Test func aServerNamedByItsHostIsAccepted() async throws {
    defer { server.stop() }
    try await connect(authority.client(), host: "localhost")
  }

  @Test func aClientOfAnotherAuthorityIsRefused() async throws {
    defer { server.stop() }
    let other = try TestAuthority()
    var foreign = try other.client()
    foreign.trustRootsPath = authority.certificatePath
    let configuration = foreign
    await #expect(throws: TransportError.self) { try await connect(configuration) }
    #expect(!server.events.events.contains { if case .ready = $0 { true } else { false } })
  }

  @Test func anExpiredClientIsRefused() async throws {
    defer { server.stop() }
    let expired = try authority.client(validity: .expired)
    await #expect(throws: TransportError.self) { try await connect(expired) }
  }

  @Test func aServerOfAnotherAuthorityIsRefused() async throws {
    defer { server.stop() }
    let other = try TestAuthority()
    var trusting = try authority.client()
    trusting.trustRootsPath = other.certificatePath
    let configuration = trusting
    let error = await #expect(throws: TransportError.self) { try await connect(configuration) }
    #expect(error?.code == .tls)
    #expect(error?.message.contains("certificate") == true)
  }

  @Test func aServerWithAnotherNameIsRefused() async throws {
    defer { server.stop() }
    let elsewhere = try authority.issue(
      .server(dnsNames: ["elsewhere.test"], ipAddresses: ["127.0.0.9"], validity: .days(1)))
    let misnamed = try TestServer(elsewhere)
    defer { misnamed.stop() }
    for host in ["127.0.0.1", "localhost"] {
      let configuration = try authority.client()
      let error = await #expect(throws: TransportError.self) {
        try await connect(configuration, host: host, port: misnamed.port)
      }
      #expect(error?.code == .tls)
    }
  }

  @Test func aClientCertificateIsNoServerCertificate() async throws {
    defer { server.stop() }
    let impostor = try TestServer(authority.client())
    defer { impostor.stop() }
    let configuration = try authority.client()
    await #expect(throws: TransportError.self) {
      try await connect(configuration, port: impostor.port)
    }
  }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func aClientWithoutACertificateIsRefused(_ version: Int32) throws {
    defer { server.stop() }
    var options = RawClient.Options(tls: try authority.client())
    options.presentsCertificate = false
    options.maxVersion = version
    // With TLS 1.3 the client is done before the server has looked.
    if let client = try? RawClient(port: server.port, options) {
      client.send(Frame.preface())
      let frames = try client.frames { _ in false }
      #expect(!frames.contains { $0.kind == Frame.Kind.settings && $0.flags == 1 })
    }
    #expect(!server.events.events.contains { if case .ready = $0 { true } else { false } })
  }

  @Test func oldVersionsAndWeakSuitesAreRefused() throws {
    defer { server.stop() }
    var options = RawClient.Options(tls: try authority.client())
    options.maxVersion = TLS1_1_VERSION
    #expect(throws: RawClient.Failure.self) { try RawClient(port: server.port, options) }
    options.maxVersion = TLS1_2_VERSION
    for weak in ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA256"] {
      options.suites12 = weak
      #expect(throws: RawClient.Failure.self, "\(weak)") {
        try RawClient(port: server.port, options)
      }
    }
  }

  @Test func aClientThatDoesNotOfferHTTP2IsRefused() throws {
    defer { server.stop() }
    var options = RawClient.Options(tls: try authority.client())
    options.offersHTTP2 = false
    // OpenSSL asks a server about ALPN only where the client offers something.
    if let client = try? RawClient(port: server.port, options) {
      client.send(Frame.preface())
      #expect(try client.readToEnd().isEmpty)
    }
    #expect(!server.events.events.contains { if case .ready = $0 { true } else { false } })
  }

  /// A ticket spares the client its certificate, but not the server its knowledge of it.
  @Test func aResumedSessionStillHasItsCertificate() async throws {
    defer { server.stop() }
    let names = ["spiffe://massif.test/team/a/b"]
    var options = RawClient.Options(tls: try authority.client(uriNames: names))
    let first = try RawClient(port: server.port, options)
    first.send(Frame.preface())
    // The ticket comes with the first bytes of the server.
    _ = try first.frames { $0.kind == Frame.Kind.settings }
    options.session = first.takeSession()
    defer { SSL_SESSION_free(options.session) }
    options.presentsCertificate = false
    let second = try RawClient(port: server.port, options)
    #expect(second.wasResumed)
    second.send(Frame.preface())
    _ = try second.frames { $0.kind == Frame.Kind.settings }
    try await server.events.wait { $0.filter { $0 == .ready(uriNames: names) }.count == 2 }
  }

  /// A context's tickets are good for that context alone, so trust that was withdrawn is.
  @Test func aTicketDoesNotOutliveTheContextThatGaveIt() async throws {
    defer { server.stop() }
    var options = RawClient.Options(tls: try authority.client())
    let first = try RawClient(port: server.port, options)
    first.send(Frame.preface())
    _ = try first.frames { $0.kind == Frame.Kind.settings }
    options.session = first.takeSession()
    defer { SSL_SESSION_free(options.session) }
    let renewed = try TLSContext.server(authority.server())
    server.context.withLock { $0 = renewed }
    let second = try RawClient(port: server.port, options)
    second.send(Frame.preface())
    _ = try second.frames { $0.kind == Frame.Kind.settings }
    #expect(!second.wasResumed)
  }

  @Test func filesThatAreNotThereAreNamed() throws {
    defer { server.stop() }
    let good = try authority.client()
    for key in [
      \TLSConfiguration.certificateChainPath, \.privateKeyPath, \.trustRootsPath,
    ] {
      var broken = good
      broken[keyPath: key] = "/nowhere/file.pem"
      let error = #expect(throws: TransportError.self) { try TLSContext.client(broken) }
      #expect(error?.code == .certificate)
      #expect(error?.message.contains("/nowhere/file.pem") == true)
    }
    var mixed = good
    mixed.privateKeyPath = try authority.server().privateKeyPath
    #expect(throws: TransportError.self) { try TLSContext.client(mixed) }
  }
}
