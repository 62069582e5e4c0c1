// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import RPCTransport

@Suite struct RevocationTests {
  private let authority: TestAuthority
  private let good: TLSConfiguration
  private let revoked: TLSConfiguration

  init() throws {
    authority = try TestAuthority()
    good = try authority.client(name: "good")
    revoked = try authority.client(name: "revoked")
  }

  /// A server's configuration with a list of these.
  private func server(
    revoking paths: [String], validity: CertificateValidity = .days(1)
  ) throws -> TLSConfiguration {
    var configuration = try authority.server()
    let path = configuration.certificateChainPath + ".crl"
    let list = try authority.authority.revocationList(revoking: paths, validity: validity)
    try Data(list).write(to: URL(filePath: path))
    configuration.revocationListPath = path
    return configuration
  }

  /// What the server says to a client's handshake; nil where it accepts.
  private func refusal(
    _ client: TLSConfiguration, by configuration: TLSConfiguration
  ) async throws -> TransportError.Code? {
    let server = try TestServer(configuration)
    defer { server.stop() }
    let raw = try RawClient(port: server.port, .init(tls: client))
    raw.send(Frame.preface())
    let events = try await server.events.wait { !$0.isEmpty }
    if case .closed(let code) = events[0] { return code }
    return nil
  }

  @Test func aRevokedCertificateIsRefusedAndOthersAreNot() async throws {
    let configuration = try server(revoking: [revoked.certificateChainPath])
    #expect(try await refusal(good, by: configuration) == nil)
    #expect(try await refusal(revoked, by: configuration) == .tls)
  }

  @Test func anExpiredListRefusesEverybody() async throws {
    let configuration = try server(revoking: [], validity: .expired)
    #expect(try await refusal(good, by: configuration) == .tls)
  }

  @Test func aListGrows() async throws {
    let first = try server(revoking: [revoked.certificateChainPath])
    let list = try authority.authority.revocationList(
      revoking: [good.certificateChainPath, revoked.certificateChainPath],
      earlier: first.revocationListPath, validity: .days(1))
    try Data(list).write(to: URL(filePath: try #require(first.revocationListPath)))
    #expect(try await refusal(good, by: first) == .tls)
    #expect(try await refusal(revoked, by: first) == .tls)
  }

  @Test func aFileThatIsNoListIsNamed() throws {
    var configuration = try authority.server()
    configuration.revocationListPath = configuration.certificateChainPath
    let error = #expect(throws: TransportError.self) { try TLSContext.server(configuration) }
    #expect(error?.message.contains(configuration.certificateChainPath) == true)
  }

  @Test func certificatesOfOthersAreNotRevoked() throws {
    let foreign = try TestAuthority().client()
    #expect(throws: TransportError.self) {
      try authority.authority.revocationList(
        revoking: [foreign.certificateChainPath], validity: .days(1))
    }
  }

  /// What becomes of clients that are connected when trust changes.
  @Test func openConnectionsAreCheckedWithTheNewContext() async throws {
    let server = try TestServer(authority.server())
    defer { server.stop() }
    let foreign = try TestAuthority()
    let contexts = [
      "good": try TLSContext.server(self.server(revoking: [revoked.certificateChainPath])),
      "foreign": try TLSContext.server(foreign.server()),
    ]
    let cases = [
      (good, "good", nil), (revoked, "good", "revoked"), (good, "foreign", "not accepted any more"),
    ]
    for (index, (client, context, expected)) in cases.enumerated() {
      let raw = try RawClient(port: server.port, .init(tls: client))
      raw.send(Frame.preface())
      _ = try raw.frames { $0.kind == Frame.Kind.settings }
      try await server.events.wait { events in
        events.count { if case .ready = $0 { true } else { false } } > index
      }
      let context = try #require(contexts[context])
      let reason = try await server.onLoop { server.connections.last?.apply(context)?.message }
      if let expected {
        #expect(reason?.contains(expected) == true, "\(reason ?? "nothing")")
        #expect(try raw.frames { $0.kind == Frame.Kind.goAway || expected == "revoked" } != [])
      } else {
        #expect(reason == nil)
      }
    }
  }
}
