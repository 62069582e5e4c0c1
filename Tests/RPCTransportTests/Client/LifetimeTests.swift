// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import RPCTransport

/// Nothing of a connection is left behind when it has ended.
@Suite struct LifetimeTests {
  /// Weak references to what must go.
  private final class Watched: @unchecked Sendable {
    weak var clientLoop: EventLoop?
    weak var serverLoop: EventLoop?
    weak var client: ClientConnection?
    weak var server: ServerConnection?
    weak var stream: ServerStream?

    var isGone: Bool {
      clientLoop == nil && serverLoop == nil && client == nil && server == nil && stream == nil
    }
  }

  @Test func everythingGoesWithItsConnection() async throws {
    let watched = Watched()
    try await use(watched)
    // The threads let go of their loops last.
    try await within { while !watched.isGone { await Task.yield() } }
  }

  private func use(_ watched: Watched) async throws {
    let loopback = try await Loopback()
    let hanging = Task {
      try await loopback.client.unary(
        CallHead(path: "/test/Hang", timeout: .seconds(100)), OutgoingMessage([1]))
    }
    try await loopback.server.events.wait { $0.contains(.ended) }
    let call = loopback.client.call(CallHead(path: "/test/Produce"))
    try await within {
      try await call.send(OutgoingMessage(TestServer.bytes(500)))
      call.finishSending()
      _ = try await call.next()
    }
    let server = loopback.server
    try await server.onLoop {
      watched.server = server.connections[0]
      watched.stream = server.handlers[0].stream
    }
    watched.client = loopback.client
    watched.clientLoop = loopback.clientLoop
    watched.serverLoop = server.loop
    loopback.client.close()
    await #expect(throws: CallError.self) { try await within { try await hanging.value } }
  }
}
