// SPDX-License-Identifier: Apache-2.0
import CEpoll
import Dispatch
import Glibc
@testable import RPCTransport

/// A server's connections without their TLS: bytes go straight into the HTTP/2 session, and what it
/// sends is collected and dropped.
///
/// Calls are answered by ``FuzzedHandler``, which pauses, echoes and finishes as their messages say.
final class SessionHarness: @unchecked Sendable {
  /// One for the process: a loop, its thread and a server's certificate.
  static let shared = Result { try SessionHarness() }

  private let loop: EventLoop
  private let tls: TLSContext
  private let configuration: ConnectionConfiguration
  // SAFETY: of the loop's thread.
  private let output = ByteQueue(capacity: 96 << 10)

  private init() throws {
    loop = try EventLoop(name: "fuzz-loop")
    let authority = try CertificateAuthority()
    let server = try authority.issue(.server(dnsNames: ["localhost"], validity: .days(30)))
    let certificate = try MemoryFile(server.certificatePEM)
    let key = try MemoryFile(server.privateKeyPEM)
    tls = try TLSContext.server(
      TLSConfiguration(
        certificateChainPath: certificate.path, privateKeyPath: key.path,
        trustRootsPath: certificate.path))
    var configuration = ConnectionConfiguration()
    // Small bounds, which short inputs can reach.
    configuration.maxConcurrentStreams = 8
    configuration.maxHeaderListByteCount = 512
    configuration.maxMessageSize = 1024
    configuration.maxAssemblingByteCount = 2048
    configuration.maxDecompressedByteCount = 16 << 10
    configuration.streamWindowByteCount = 2048
    configuration.connectionWindowByteCount = 64 << 10
    configuration.maxHeldByteCount = 1024
    configuration.highWaterByteCount = 256
    configuration.lowWaterByteCount = 64
    self.configuration = configuration
  }

  /// Feeds a new connection with `pieces` and closes it.
  ///
  /// - Throws: `FuzzFinding` where a call was not told of its end, or a connection that is gone still
  ///   counts bytes.
  func serve(_ pieces: [[UInt8]]) throws {
    var descriptors: (Int32, Int32) = (-1, -1)
    let made = withUnsafeMutableBytes(of: &descriptors) {
      socketpair(
        AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0,
        $0.bindMemory(to: Int32.self).baseAddress)
    }
    try require(made == 0, "no pair of sockets: \(errno)")
    let (served, peer) = descriptors
    let calls = FuzzedCalls()
    loop.execute { [self] in
      let socket = Socket(
        descriptor: served, peerAddress: SocketAddress(storage: sockaddr_storage(), length: 0))
      let server = ServerConnection.accept(
        socket, tls: tls, configuration: configuration, loop: loop, delegate: calls)
      if let connection = server?.connection {
        calls.connection = connection
        feed(pieces, to: connection)
      }
      server?.close()
      // Behind its end the connection waits for the peer to go.
      close(peer)
    }
    let end = calls.closed.wait(timeout: .now() + .seconds(20))
    try require(end == .success, "the connection did not close")
    try calls.check()
  }

  private func feed(_ pieces: [[UInt8]], to connection: HTTP2Connection) {
    guard
      let session = try? HTTP2Session(
        role: .server, connection: connection, configuration: configuration)
    else { return }
    connection.session = session
    for piece in pieces where connection.closeReason == nil && session.isAlive {
      guard step(piece, session, connection) else { return }
    }
  }

  /// What a connection does with what has come; false where the client has lost its session.
  private func step(
    _ piece: [UInt8], _ session: HTTP2Session, _ connection: HTTP2Connection
  ) -> Bool {
    do {
      try piece.withUnsafeBytes { try session.receive($0) }
      try session.collect(into: output)
      output.removeAll()
    } catch {
      return false
    }
    while let stream = connection.writable.popLast() { stream.becameWritable() }
    return true
  }
}

/// The calls of one connection, on its loop; read when it is closed.
private final class FuzzedCalls: ServerConnectionDelegate, @unchecked Sendable {
  // SAFETY: of the loop until `closed` is signalled, and of the one who waited for it afterwards.
  var connection: HTTP2Connection?
  private var handlers: [FuzzedHandler] = []
  let closed = DispatchSemaphore(value: 0)

  func connection(
    _ connection: ServerConnection, open stream: ServerStream, head: borrowing RequestHead
  ) -> (any ServerStreamHandler)? {
    let handler = FuzzedHandler(stream)
    handlers.append(handler)
    return handler
  }

  func connectionClosed(_ connection: ServerConnection, reason: TransportError) {
    closed.signal()
  }

  func check() throws(FuzzFinding) {
    for handler in handlers {
      try require(handler.endCount == 1, "a call was told \(handler.endCount) times that it ended")
      try require(handler.stream.isClosed, "a call's stream is open without its connection")
    }
    guard let ledger = connection?.ledger else { return }
    try require(
      ledger.assemblingByteCount == 0 && ledger.heldByteCount == 0,
      "\(ledger) of a connection that is gone")
  }
}

/// A call that does what its messages say: the first byte of each is an order.
private final class FuzzedHandler: ServerStreamHandler {
  let stream: ServerStream
  private(set) var endCount = 0
  private var resumesAfter = 0

  init(_ stream: ServerStream) { self.stream = stream }

  func receive(_ message: ReceivedMessage) {
    switch message.bytes.first.map({ $0 & 7 }) {
    case 1: stream.pauseReading()
    case 2: stream.sendHeaders()
    case 3:
      endCount += 1
      stream.finish(Status(.notFound, "no such thing: %\n\u{e9}", details: [1, 2, 3]))
    case 4:
      var answer = OutgoingMessage(message.bytes)
      answer.prefersCompression = true
      stream.send(answer)
    case 5:
      // Paused and resumed inside of the delivery.
      stream.pauseReading()
      stream.resumeReading()
    default: stream.send(OutgoingMessage(message.bytes))
    }
  }

  func receiveEnd() {
    guard endCount == 0 else { return }
    endCount += 1
    stream.finish(.ok)
  }

  func cancelled() { endCount += 1 }

  func failed(_ status: Status) { endCount += 1 }

  func writable() { stream.resumeReading() }
}
