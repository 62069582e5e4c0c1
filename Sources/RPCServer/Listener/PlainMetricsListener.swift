// SPDX-License-Identifier: Apache-2.0
internal import Dispatch
internal import Glibc
internal import RPCTransport
internal import Synchronization

/// Answers `GET /metrics` over plain HTTP/1.1, for scrapers that have no client certificate.
///
/// Whoever reaches its address reads the names of methods and models, so it belongs on loopback or a
/// network of the operators. One connection at a time, on a thread of its own, each bounded in bytes
/// and in time: a scraper comes every few seconds.
final class PlainMetricsListener: Sendable {
  private static let maxRequestByteCount = 8 << 10
  private static let timeoutSeconds = 5
  /// Connections that wait for their turn; more are closed.
  private static let maxWaiting = 16

  private let listener: ListeningSocket
  private let metrics: ServerMetrics
  private let queue = DispatchQueue(label: "massif.metrics")
  private let waiting = Atomic(0)

  /// Where it listens.
  var address: SocketAddress { listener.localAddress }

  /// Listens, accepting on `loop`.
  ///
  /// - Throws: `.system` where the address is taken.
  init(
    _ address: SocketAddress, loop: EventLoop, metrics: ServerMetrics
  ) throws(TransportError) {
    listener = try ListeningSocket(address: address, loop: loop)
    self.metrics = metrics
    listener.start { [weak self] socket in self?.accepted(socket) }
  }

  /// Stops listening.
  func close() { listener.close() }

  private func accepted(_ socket: Socket) {
    guard waiting.wrappingAdd(1, ordering: .relaxed).newValue <= Self.maxWaiting else {
      waiting.wrappingSubtract(1, ordering: .relaxed)
      return
    }
    let connection = socket.takeDescriptor()
    queue.async { [self] in
      answer(connection)
      Glibc.close(connection)
      waiting.wrappingSubtract(1, ordering: .relaxed)
    }
  }

  private func answer(_ connection: Int32) {
    // The loop accepts sockets that do not wait; this thread is here to wait.
    _ = fcntl(connection, F_SETFL, fcntl(connection, F_GETFL) & ~O_NONBLOCK)
    var limit = timeval(tv_sec: Self.timeoutSeconds, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
    let deadline = MonotonicTime.now
    var request: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1024)
    while !request.ends(withHTTPHead: ()) {
      let count = recv(connection, &piece, piece.count, 0)
      guard count > 0, request.count + count <= Self.maxRequestByteCount,
        MonotonicTime.now.since(deadline) < UInt64(Self.timeoutSeconds) * 1_000_000_000
      else { return }
      request += piece[..<count]
    }
    let line = String(decoding: request.prefix { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    let parts = line.split(separator: " ")
    guard parts.count == 3, parts[2].hasPrefix("HTTP/1.") else {
      return send("400 Bad Request", "text/plain", "an HTTP/1.1 request was expected\n", connection)
    }
    guard parts[0] == "GET" else {
      return send("405 Method Not Allowed", "text/plain", "GET was expected\n", connection)
    }
    guard parts[1] == "/metrics" else {
      return send("404 Not Found", "text/plain", "here is /metrics and nothing else\n", connection)
    }
    send("200 OK", MetricsText.contentType, metrics.text(), connection)
  }

  private func send(_ status: String, _ type: String, _ body: String, _ connection: Int32) {
    let head =
      "HTTP/1.1 \(status)\r\ncontent-type: \(type)\r\ncontent-length: \(body.utf8.count)\r\n"
      + "connection: close\r\n\r\n"
    var rest = Array((head + body).utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}

extension [UInt8] {
  /// Whether these bytes end with the empty line behind an HTTP/1.1 head.
  fileprivate func ends(withHTTPHead: ()) -> Bool {
    suffix(4) == [0x0d, 0x0a, 0x0d, 0x0a]
  }
}
