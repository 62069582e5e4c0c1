// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TestSupport

@testable import RPCTransport

/// A server on loopback whose methods do what the tests of the transport need.
final class TestServer: @unchecked Sendable, ServerConnectionDelegate {
  enum Event: Sendable, Equatable {
    case ready(uriNames: [String])
    case opened(String)
    case received(Int)
    case ended
    case cancelled(String)
    case failed(Status.Code)
    case writable
    case closed(TransportError.Code)
  }

  let loop: EventLoop
  let port: Int
  let events = Recorder<Event>()
  let heads = Mutex<[RequestHead]>([])
  /// What new connections get.
  let context: Mutex<TLSContext>
  private let listener: ListeningSocket
  // Of the loop:
  private(set) var connections: [ServerConnection] = []
  private(set) var handlers: [TestHandler] = []

  init(
    _ tls: TLSConfiguration, configuration: ConnectionConfiguration = ConnectionConfiguration(),
    unixPath: String? = nil
  ) throws {
    context = Mutex(try TLSContext.server(tls))
    let loop = try EventLoop(name: "test-server")
    self.loop = loop
    listener = try ListeningSocket(
      address: unixPath.map { try SocketAddress(unixPath: $0) }
        ?? SocketAddress(host: "127.0.0.1", port: 0), loop: loop)
    port = listener.localAddress.port
    listener.start { [unowned self] socket in
      if let connection = ServerConnection.accept(
        socket, tls: context.withLock { $0 }, configuration: configuration, loop: loop,
        delegate: self)
      {
        connections.append(connection)
      }
    }
  }

  func stop() {
    listener.close()
    loop.execute { [self] in
      for connection in connections { connection.close() }
      handlers = []
      loop.stop()
    }
  }

  /// Runs `body` on the loop and waits for it.
  func onLoop<R: Sendable>(_ body: @escaping @Sendable () -> R) async throws -> R {
    try await within {
      await withCheckedContinuation { continuation in
        self.loop.execute { continuation.resume(returning: body()) }
      }
    }
  }

  func connectionReady(_ connection: ServerConnection) {
    events.record(.ready(uriNames: connection.peer?.uriNames ?? []))
  }

  func connection(
    _ connection: ServerConnection, open stream: ServerStream, head: borrowing RequestHead
  ) -> (any ServerStreamHandler)? {
    let head = copy head
    heads.withLock { $0.append(head) }
    events.record(.opened(head.path))
    let handler = TestHandler(server: self, stream: stream, method: head.path)
    return handler.open(head) ? handler : nil
  }

  func connectionClosed(_ connection: ServerConnection, reason: TransportError) {
    connections.removeAll { $0 === connection }
    events.record(.closed(reason.code))
  }

  func keep(_ handler: TestHandler) { handlers.append(handler) }
}

/// One call of the test server.
final class TestHandler: ServerStreamHandler {
  private unowned let server: TestServer
  let stream: ServerStream
  private let method: String
  private var total = 0
  private var answered = 0
  private var remaining = 0
  private var chunk = 0

  init(server: TestServer, stream: ServerStream, method: String) {
    self.server = server
    self.stream = stream
    self.method = method
  }

  /// False where the call was finished at once.
  func open(_ head: RequestHead) -> Bool {
    switch method {
    case "/test/Echo", "/test/Compress", "/test/Sum", "/test/Size", "/test/TooLong": break
    case "/test/Produce": server.keep(self)
    case "/test/EchoHeaders":
      stream.sendHeaders(head.metadata)
    case "/test/Hang": server.keep(self)
    case "/test/Paused":
      stream.pauseReading()
      server.keep(self)
    case "/test/Refuse":
      stream.finish(
        Status(.permissionDenied, "not you: 100 % \u{e9}", details: [1, 2, 250]),
        trailers: ["reason": "policy"])
      return false
    case "/test/Small": stream.maxMessageSize = 16
    default:
      stream.finish(Status(.unimplemented, "no method \(method)"))
      return false
    }
    return true
  }

  func receive(_ message: ReceivedMessage) {
    server.events.record(.received(message.buffer.count))
    total += message.buffer.count
    switch method {
    case "/test/Echo", "/test/EchoHeaders":
      // The answer lends the request's own bytes.
      let segment = OutgoingMessage.Segment(message.bytes, owner: message.buffer)
      stream.send(OutgoingMessage(head: nil, segments: [segment]))
    case "/test/Compress":
      // In two pieces, and every second message only.
      let half = message.bytes.count / 2
      let pieces = [
        UnsafeRawBufferPointer(rebasing: message.bytes[..<half]),
        UnsafeRawBufferPointer(rebasing: message.bytes[half...]),
      ]
      var answer = OutgoingMessage(
        head: nil, segments: pieces.map { OutgoingMessage.Segment($0, owner: message.buffer) })
      answer.prefersCompression = answered % 2 == 0
      answered += 1
      stream.send(answer)
    case "/test/TooLong":
      // Nobody reads these: the length alone is refused.
      let bytes = UnsafeRawBufferPointer(start: message.buffer.base, count: 1 << 32)
      let segment = OutgoingMessage.Segment(bytes, owner: message.buffer)
      stream.send(
        message.bytes.isEmpty ? .unavailable : OutgoingMessage(head: nil, segments: [segment]))
    case "/test/Size":
      let size = TestServer.number(message)
      let body = server.loop.buffers.buffer(capacity: size)
      body.base.initializeMemory(as: UInt8.self, repeating: 7, count: size)
      body.count = size
      stream.send(OutgoingMessage(head: body))
    case "/test/Produce":
      remaining = TestServer.number(message)
      chunk = 64 << 10
    default: break
    }
  }

  func receiveEnd() {
    server.events.record(.ended)
    switch method {
    case "/test/Sum":
      stream.send(OutgoingMessage(TestServer.bytes(total)))
      stream.finish(.ok)
    case "/test/Produce": produce()
    case "/test/Hang": break
    default: stream.finish(.ok, trailers: ["total": "\(total)"])
    }
  }

  private func produce() {
    while remaining > 0 {
      remaining -= 1
      let body = [UInt8](repeating: UInt8(truncatingIfNeeded: remaining), count: chunk)
      if !stream.send(OutgoingMessage(body)) { return }
    }
    stream.finish(.ok)
  }

  func cancelled() { server.events.record(.cancelled(method)) }

  func failed(_ status: Status) { server.events.record(.failed(status.code)) }

  func writable() {
    server.events.record(.writable)
    produce()
  }
}

extension TestServer {
  /// Eight bytes of a number, little-endian.
  static func bytes(_ number: Int) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
  }

  static func number(_ message: ReceivedMessage) -> Int {
    message.bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
  }
}

/// A server with its authority and a client connection to it, closed when the object goes.
final class Loopback: Sendable {
  let authority: TestAuthority
  let server: TestServer
  let clientLoop: EventLoop
  let client: ClientConnection
  let clientEvents: ClientEvents

  init(
    server serverConfiguration: ConnectionConfiguration = ConnectionConfiguration(),
    client clientConfiguration: ConnectionConfiguration = ConnectionConfiguration()
  ) async throws {
    authority = try TestAuthority()
    let server = try TestServer(authority.server(), configuration: serverConfiguration)
    self.server = server
    let loop = try EventLoop(name: "test-client")
    clientLoop = loop
    let tls = try TLSContext.client(authority.client())
    let events = ClientEvents()
    clientEvents = events
    client = try await within {
      try await ClientConnection.connect(
        host: "127.0.0.1", port: server.port, tls: tls, configuration: clientConfiguration,
        loop: loop, delegate: events)
    }
  }

  deinit {
    client.close()
    server.stop()
    clientLoop.stop()
  }
}

/// Records what a client connection tells.
final class ClientEvents: ClientConnectionDelegate {
  enum Event: Sendable, Equatable {
    case draining
    case closed(TransportError.Code)
  }

  let events = Recorder<Event>()

  func connectionDraining(_ connection: ClientConnection) { events.record(.draining) }

  func connectionClosed(_ connection: ClientConnection, reason: TransportError) {
    events.record(.closed(reason.code))
  }
}
