// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Glibc

/// One TLS connection over a socket: reads from the socket itself, writes records into a queue.
///
/// Several records then leave in one send(2), and encryption never has to wait for the socket.
/// Loop only.
final class TLSSession {
  /// How far a step came.
  enum Progress {
    case done
    case wantsRead
  }

  private let ssl: OpaquePointer
  private let context: TLSContext
  /// Where records go while `encrypting` runs.
  private var records: ByteQueue?
  private var requiresPeerCertificate: Bool { context.requiresPeerCertificate }

  /// - Parameter serverName: for the connecting end, the host or address that the certificate must
  ///   name.
  init(context: TLSContext, descriptor: Int32, serverName: String?) throws(TransportError) {
    guard let ssl = SSL_new(context.pointer) else {
      throw TransportError(.tls, "no TLS session: \(openSSLErrors())")
    }
    self.ssl = ssl
    self.context = context
    guard let reader = BIO_new_socket(descriptor, BIO_NOCLOSE),
      let writer = BIO_new(TLSSession.recordMethod)
    else { throw TransportError(.tls, "no TLS stream: \(openSSLErrors())") }
    BIO_set_data(writer, Unmanaged.passUnretained(self).toOpaque())
    BIO_set_init(writer, 1)
    SSL_set_bio(ssl, reader, writer)
    switch context.role {
    case .server: SSL_set_accept_state(ssl)
    case .client:
      SSL_set_connect_state(ssl)
      try expect(serverName: serverName)
    }
  }

  deinit { SSL_free(ssl) }

  /// The other end must prove this name, as a host name or, where it is one, as an address.
  private func expect(serverName: String?) throws(TransportError) {
    guard let serverName, !serverName.isEmpty else {
      throw TransportError(.invalidArgument, "the server's name is missing")
    }
    let parameters = SSL_get0_param(ssl)
    if X509_VERIFY_PARAM_set1_ip_asc(parameters, serverName) == 1 { return }
    ERR_clear_error()
    X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    guard SSL_set1_host(ssl, serverName) == 1, co_set_server_name(ssl, serverName) == 1 else {
      throw TransportError(.invalidArgument, "'\(serverName)' is not a host name")
    }
  }

  /// Goes on with the handshake; records to send are added to `records` even where it fails.
  func handshake(into records: ByteQueue) throws(TransportError) -> Progress {
    ERR_clear_error()
    let result = encrypting(into: records) { SSL_do_handshake(ssl) }
    if result == 1 {
      try checkProtocol()
      return .done
    }
    switch SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ: return .wantsRead
    default: throw handshakeError()
    }
  }

  private func checkProtocol() throws(TransportError) {
    var name: UnsafePointer<UInt8>?
    var length: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &length)
    guard let name, length == 2, name[0] == TLSContext.alpn[1], name[1] == TLSContext.alpn[2] else {
      throw TransportError(.tls, "the peer does not speak HTTP/2 (ALPN h2)")
    }
  }

  private func handshakeError() -> TransportError {
    // HTTP/2 has an end of its own, so a peer that closes its socket without TLS's is no attack.
    if ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING {
      _ = openSSLErrors()
      return TransportError(.connectionClosed, "the peer broke off")
    }
    let verification = SSL_get_verify_result(ssl)
    guard verification == Int(X509_V_OK) else {
      let why = String(cString: X509_verify_cert_error_string(verification))
      _ = openSSLErrors()
      return TransportError(.tls, "the peer's certificate was refused: \(why)")
    }
    return TransportError(.tls, "handshake: \(openSSLErrors())")
  }

  /// The certificate that the other end proved, in this handshake or in the one that is resumed.
  ///
  /// - Returns: nil where there is none, which only a context of tests allows.
  /// - Throws: `.certificate` where it was not verified, has expired since, or cannot be read.
  func peerCertificate() throws(TransportError) -> PeerCertificate? {
    guard let certificate = SSL_get0_peer_certificate(ssl) else {
      guard !context.requiresPeerCertificate else {
        throw TransportError(.certificate, "the peer has no certificate")
      }
      return nil
    }
    guard SSL_get_verify_result(ssl) == Int(X509_V_OK) else {
      throw TransportError(.certificate, "the peer's certificate was not verified")
    }
    // A resumed session was verified when it began; time has passed since.
    guard X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0 else {
      throw TransportError(.certificate, "the peer's certificate has expired")
    }
    guard let read = PeerCertificate(certificate) else {
      throw TransportError(.certificate, "the peer's certificate cannot be read")
    }
    return read
  }

  /// Verifies the peer's certificate anew, as `context` would; a result of X509_verify_cert.
  func verify(with context: OpaquePointer) -> Int32 {
    guard requiresPeerCertificate else { return X509_V_OK }
    return co_verify_peer(context, ssl)
  }

  /// Whether this session was resumed from a ticket.
  var isResumed: Bool { SSL_session_reused(ssl) == 1 }

  /// The version and the suite that were agreed, for a person.
  var summary: String {
    "\(String(cString: SSL_get_version(ssl))) \(String(cString: co_cipher_name(ssl)))"
  }

  /// Reads plaintext.
  ///
  /// - Returns: the bytes read, 0 at the orderly end of the stream, or nil where the socket has no
  ///   more for now.
  /// - Throws: `.tls` or `.connectionClosed`; the session is of no use then.
  func read(
    into buffer: UnsafeMutableRawBufferPointer, records: ByteQueue
  ) throws(TransportError) -> Int? {
    ERR_clear_error()
    var count = 0
    // Reading can produce records too: a key update is answered.
    let result = encrypting(into: records) {
      SSL_read_ex(ssl, buffer.baseAddress, buffer.count, &count)
    }
    if result == 1 { return count }
    switch SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ: return nil
    case SSL_ERROR_ZERO_RETURN: return 0
    case SSL_ERROR_SYSCALL: throw TransportError(.connectionClosed, "the peer broke off")
    default: throw handshakeError()
    }
  }

  /// Encrypts all of `plaintext` into `records`.
  func write(
    _ plaintext: UnsafeRawBufferPointer, into records: ByteQueue
  ) throws(TransportError) {
    var rest = plaintext
    while !rest.isEmpty {
      ERR_clear_error()
      var count = 0
      let result = encrypting(into: records) {
        SSL_write_ex(ssl, rest.baseAddress, rest.count, &count)
      }
      guard result == 1 else { throw TransportError(.tls, "write: \(openSSLErrors())") }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
    }
  }

  /// Adds the alert that says that this end will send no more.
  func closeNotify(into records: ByteQueue) {
    ERR_clear_error()
    _ = encrypting(into: records) { SSL_shutdown(ssl) }
    ERR_clear_error()
  }

  private func encrypting(into queue: ByteQueue, _ step: () -> Int32) -> Int32 {
    records = queue
    defer { records = nil }
    return step()
  }

  /// The write side of a session as OpenSSL sees it: it takes every record and never blocks.
  nonisolated(unsafe) private static let recordMethod: OpaquePointer? = {
    let sink = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
    guard let method = BIO_meth_new(sink, "massif records") else { return nil }
    BIO_meth_set_write(method) { bio, bytes, count in
      co_bio_clear_retry(bio)
      guard let data = BIO_get_data(bio) else { return -1 }
      // SAFETY: the session owns the BIO, so it outlives it.
      let session = Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
      guard let records = session.records else { return -1 }
      records.append(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
      return count
    }
    BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    return method
  }()
}
