// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import RPCTransport

/// Peers that are slow on purpose.
///
/// The limits are short here, and the peers wait until the server has acted.
@Suite struct TimeLimitTests {
  private let authority: TestAuthority
  private let server: TestServer
  private let options: RawClient.Options

  init() throws {
    authority = try TestAuthority()
    var configuration = ConnectionConfiguration()
    configuration.handshakeTimeout = .seconds(1)
    configuration.headerTimeout = .milliseconds(100)
    configuration.stallTimeout = .milliseconds(100)
    server = try TestServer(authority.server(), configuration: configuration)
    options = RawClient.Options(tls: try authority.client())
  }

  @Test func aSocketWithoutAHandshakeIsClosed() throws {
    defer { server.stop() }
    let client = try RawClient(port: server.port)
    #expect(try client.readToEnd().isEmpty)
  }

  @Test func tlsWithoutHTTP2IsClosed() throws {
    defer { server.stop() }
    let client = try RawClient(port: server.port, options)
    _ = try client.readToEnd()
  }

  @Test func headersThatNeverEndCloseTheConnection() throws {
    defer { server.stop() }
    let client = try RawClient(port: server.port, options)
    client.send(Frame.preface())
    var head = Frame.request("/test/Echo", stream: 1)
    head.flags = 0
    client.send(head.bytes)
    #expect(try client.frames { $0.kind == Frame.Kind.goAway }.last?.code == 11)
  }

  /// A message that never ends, of a client that is there otherwise.
  @Test func aMessageThatComesTooSlowlyIsDropped() throws {
    defer { server.stop() }
    let client = try RawClient(port: server.port, options)
    client.send(Frame.preface())
    client.send(Frame.request("/test/Echo", stream: 1).bytes)
    client.send(Frame(kind: Frame.Kind.data, stream: 1, payload: [0, 0, 0, 99, 0, 1]).bytes)
    let frames = try client.frames { $0.kind == Frame.Kind.reset }
    #expect(frames.contains { $0.kind == Frame.Kind.headers && $0.flags & Frame.endStream != 0 })
  }

  /// A client that asks for an answer and gives no window for it.
  @Test func anAnswerThatNobodyReadsIsDropped() throws {
    defer { server.stop() }
    let client = try RawClient(port: server.port, options)
    client.send(Frame.preface(settings: [(4, 0)]))
    client.send(Frame.request("/test/Size", stream: 1).bytes)
    client.send(Frame.message(TestServer.bytes(1000), stream: 1, ends: true).bytes)
    let last = try client.frames { $0.kind == Frame.Kind.reset }.last
    #expect(last?.code == 8)
  }
}
