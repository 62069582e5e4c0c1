// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import Glibc

@testable import RPCTransport

/// A client below HTTP/2: it says whatever bytes a test wants over TLS, and waits in plain reads.
///
/// Reads give up after ten seconds, so that a server that should close and does not fails the test.
final class RawClient {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// What a client brings to the handshake.
  struct Options {
    var tls: TLSConfiguration
    var presentsCertificate = true
    var offersHTTP2 = true
    var maxVersion: Int32 = 0
    var suites12: String?
    var session: OpaquePointer?
  }

  let descriptor: Int32
  private let context: OpaquePointer?
  private let ssl: OpaquePointer?

  /// Connects without a handshake.
  init(port: Int) throws {
    descriptor = try RawClient.connect(port: port)
    context = nil
    ssl = nil
  }

  /// Connects and shakes hands; throws where the server refuses before the handshake is done.
  init(port: Int, _ options: Options) throws {
    let context = SSL_CTX_new(TLS_client_method())
    self.context = context
    SSL_CTX_load_verify_file(context, options.tls.trustRootsPath)
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(options.maxVersion), nil)
    if let suites = options.suites12 { SSL_CTX_set_cipher_list(context, suites) }
    if options.presentsCertificate {
      SSL_CTX_use_certificate_chain_file(context, options.tls.certificateChainPath)
      SSL_CTX_use_PrivateKey_file(context, options.tls.privateKeyPath, SSL_FILETYPE_PEM)
    }
    if options.offersHTTP2 { SSL_CTX_set_alpn_protos(context, [2, 104, 50], 3) }
    descriptor = try RawClient.connect(port: port)
    ssl = SSL_new(context)
    if let session = options.session { SSL_set_session(ssl, session) }
    SSL_set_fd(ssl, descriptor)
    ERR_clear_error()
    guard SSL_connect(ssl) == 1 else {
      throw Failure(description: "handshake: \(openSSLErrors())")
    }
  }

  deinit {
    SSL_free(ssl)
    SSL_CTX_free(context)
    close(descriptor)
  }

  private static func connect(port: Int) throws -> Int32 {
    // OpenSSL writes to a socket that the server may have closed.
    signal(SIGPIPE, SIG_IGN)
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var patience = timeval(tv_sec: 10, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(
        descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
    }
    let address = try SocketAddress(host: "127.0.0.1", port: port)
    guard address.withSockaddr({ Glibc.connect(descriptor, $0, $1) }) == 0 else {
      throw Failure(description: "connect: \(String(cString: strerror(errno)))")
    }
    return descriptor
  }

  /// Sends bytes; false where the server does not take them any more.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    ERR_clear_error()
    if let ssl { return SSL_write(ssl, bytes, Int32(bytes.count)) == Int32(bytes.count) }
    return Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
  }

  /// The next bytes; empty where the server has closed.
  func read() throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    ERR_clear_error()
    let count =
      ssl.map { Int(SSL_read($0, &buffer, Int32(buffer.count))) }
      ?? recv(descriptor, &buffer, buffer.count, 0)
    if count > 0 { return Array(buffer.prefix(count)) }
    if errno == EAGAIN, count < 0 { throw Failure(description: "the server does not answer") }
    return []
  }

  /// Everything until the server closes.
  func readToEnd() throws -> [UInt8] {
    var all: [UInt8] = []
    while true {
      let bytes = try read()
      if bytes.isEmpty { return all }
      all += bytes
    }
  }

  /// Frames until one meets a condition, or the server closes.
  func frames(until condition: (Frame) -> Bool) throws -> [Frame] {
    var frames: [Frame] = []
    while true {
      while let frame = Frame.cut(from: &unread) {
        frames.append(frame)
        if condition(frame) { return frames }
      }
      let bytes = try read()
      if bytes.isEmpty { return frames }
      unread += bytes
    }
  }
  private var unread: [UInt8] = []

  /// The session's ticket, to be given back to OpenSSL by its receiver.
  func takeSession() -> OpaquePointer? { SSL_get1_session(ssl) }

  var wasResumed: Bool { SSL_session_reused(ssl) == 1 }
}

/// An HTTP/2 frame, written and read by hand.
struct Frame: Equatable {
  enum Kind {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let priority: UInt8 = 2
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let ping: UInt8 = 6
    static let goAway: UInt8 = 7
    static let windowUpdate: UInt8 = 8
    static let continuation: UInt8 = 9
  }

  var kind: UInt8
  var flags: UInt8 = 0
  var stream: UInt32 = 0
  var payload: [UInt8] = []

  static let endStream: UInt8 = 1
  static let endHeaders: UInt8 = 4

  var bytes: [UInt8] {
    [
      UInt8(truncatingIfNeeded: payload.count >> 16), UInt8(truncatingIfNeeded: payload.count >> 8),
      UInt8(truncatingIfNeeded: payload.count), kind, flags,
    ] + Frame.word(stream) + payload
  }

  static func word(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  /// The error code of RST_STREAM and GOAWAY.
  var code: UInt32? {
    let offset = kind == Kind.goAway ? 4 : 0
    guard kind == Kind.goAway || kind == Kind.reset, payload.count >= offset + 4 else { return nil }
    return payload[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
  }

  static func cut(from bytes: inout [UInt8]) -> Frame? {
    guard bytes.count >= 9 else { return nil }
    let length = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
    guard bytes.count >= 9 + length else { return nil }
    let frame = Frame(
      kind: bytes[3], flags: bytes[4],
      stream: bytes[5..<9].reduce(0) { $0 << 8 | UInt32($1) }, payload: Array(bytes[9..<9 + length])
    )
    bytes.removeFirst(9 + length)
    return frame
  }

  /// The client's preface with settings.
  static func preface(settings: [(UInt16, UInt32)] = []) -> [UInt8] {
    let payload = settings.flatMap { id, value in
      [UInt8(truncatingIfNeeded: id >> 8), UInt8(truncatingIfNeeded: id)] + word(value)
    }
    return Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
      + Frame(kind: Kind.settings, payload: payload).bytes
  }

  /// A header list in HPACK's plainest form: literals, not indexed, not compressed.
  static func block(_ fields: [(String, String)]) -> [UInt8] {
    func text(_ text: String) -> [UInt8] {
      var bytes: [UInt8] = []
      if text.utf8.count < 127 {
        bytes.append(UInt8(text.utf8.count))
      } else {
        bytes.append(127)
        var rest = text.utf8.count - 127
        while rest >= 128 {
          bytes.append(UInt8(rest & 127) | 128)
          rest >>= 7
        }
        bytes.append(UInt8(rest))
      }
      return bytes + Array(text.utf8)
    }
    return fields.flatMap { [0] + text($0.0) + text($0.1) }
  }

  /// A gRPC request's header list.
  static func request(
    _ path: String, stream: UInt32, ends: Bool = false, changing changes: [String: String?] = [:]
  ) -> Frame {
    var fields = [
      (":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "test"),
      ("te", "trailers"), ("content-type", "application/grpc"),
    ]
    for (name, value) in changes {
      fields.removeAll { $0.0 == name }
      if let value { fields.append((name, value)) }
    }
    fields.sort { $0.0.hasPrefix(":") && !$1.0.hasPrefix(":") }
    return Frame(
      kind: Kind.headers, flags: endHeaders | (ends ? endStream : 0), stream: stream,
      payload: block(fields))
  }

  /// A gRPC message in a DATA frame.
  static func message(_ bytes: [UInt8], stream: UInt32, ends: Bool = false) -> Frame {
    Frame(
      kind: Kind.data, flags: ends ? endStream : 0, stream: stream,
      payload: [0] + word(UInt32(bytes.count)) + bytes)
  }
}
