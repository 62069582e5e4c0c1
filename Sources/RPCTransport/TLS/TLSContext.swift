// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Glibc

/// What all TLS sessions of one end share: its certificate, its trust roots and its rules.
///
/// TLS 1.2 and 1.3 only, with AEAD suites and ephemeral elliptic-curve key exchange, ALPN `h2`, no
/// renegotiation and no compression. Immutable, so a rotated certificate is a new context.
public final class TLSContext: @unchecked Sendable {
  /// Which end of a connection.
  enum Role {
    case server
    case client
  }

  // SAFETY: OpenSSL locks an SSL_CTX itself; nothing changes it after init.
  let pointer: OpaquePointer
  let role: Role
  let requiresPeerCertificate: Bool

  /// AES-128-GCM first: some 15 % less CPU than AES-256-GCM on large messages.
  private static let suites13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
  private static let suites12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
  /// The curves of Mozilla's intermediate profile; OpenSSL's own list goes on with slow ones.
  private static let groups = "X25519:P-256:P-384"
  /// One read(2) takes up to four records.
  private static let readBufferByteCount = 64 << 10
  /// How long a session ticket is good for, in seconds.
  private static let sessionLifetime = 3600
  /// `h2` in the form of the ALPN extension: its length, then its bytes.
  static let alpn: [UInt8] = [2, UInt8(ascii: "h"), UInt8(ascii: "2")]

  /// A context for the accepting end: clients must prove a certificate of the trust roots.
  ///
  /// - Throws: `.certificate` with the file that cannot be used.
  public static func server(_ configuration: TLSConfiguration) throws(TransportError) -> TLSContext
  {
    let context = try TLSContext(.server, configuration)
    context.configureServer(configuration)
    return context
  }

  /// A context for the connecting end.
  ///
  /// - Throws: `.certificate` with the file that cannot be used.
  public static func client(_ configuration: TLSConfiguration) throws(TransportError) -> TLSContext
  {
    let context = try TLSContext(.client, configuration)
    SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
    SSL_CTX_set_alpn_protos(context.pointer, alpn, UInt32(alpn.count))
    return context
  }

  private init(_ role: Role, _ configuration: TLSConfiguration) throws(TransportError) {
    ERR_clear_error()
    let method = role == .server ? TLS_server_method() : TLS_client_method()
    guard let context = SSL_CTX_new(method) else {
      throw TransportError(.tls, "no TLS context: \(openSSLErrors())")
    }
    pointer = context
    self.role = role
    requiresPeerCertificate = role == .client || configuration.requiresClientCertificate
    co_ctx_set_min_version(context, TLS1_2_VERSION)
    co_ctx_set_safe_options(context)
    // Idle connections hold no record buffers.
    co_ctx_set_mode(
      context,
      Int(SSL_MODE_ENABLE_PARTIAL_WRITE) | Int(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER)
        | Int(SSL_MODE_RELEASE_BUFFERS))
    co_ctx_set_read_ahead(context, TLSContext.readBufferByteCount)
    guard SSL_CTX_set_cipher_list(context, TLSContext.suites12) == 1,
      SSL_CTX_set_ciphersuites(context, TLSContext.suites13) == 1,
      co_ctx_set_groups(context, TLSContext.groups) == 1
    else { throw TransportError(.tls, "no cipher suite: \(openSSLErrors())") }
    try load(configuration)
  }

  deinit { SSL_CTX_free(pointer) }

  private func load(_ configuration: TLSConfiguration) throws(TransportError) {
    let chain = configuration.certificateChainPath
    guard SSL_CTX_use_certificate_chain_file(pointer, chain) == 1 else {
      throw TransportError(
        .certificate, "\(chain): a PEM certificate chain was expected (\(openSSLErrors()))")
    }
    let key = configuration.privateKeyPath
    guard SSL_CTX_use_PrivateKey_file(pointer, key, SSL_FILETYPE_PEM) == 1 else {
      throw TransportError(
        .certificate, "\(key): the PEM key of \(chain) was expected (\(openSSLErrors()))")
    }
    guard SSL_CTX_check_private_key(pointer) == 1 else {
      throw TransportError(.certificate, "\(key) is not the key of \(chain)")
    }
    let roots = configuration.trustRootsPath
    guard SSL_CTX_load_verify_file(pointer, roots) == 1 else {
      throw TransportError(
        .certificate, "\(roots): PEM certificates of authorities were expected (\(openSSLErrors()))"
      )
    }
    if let list = configuration.revocationListPath,
      !configuration.isRevocationListOptional || access(list, F_OK) == 0
    {
      guard co_load_revocation_lists(pointer, list) > 0 else {
        throw TransportError(
          .certificate, "\(list): PEM revocation lists were expected (\(openSSLErrors()))")
      }
    }
  }

  /// Why a certificate is not trusted.
  struct Distrust {
    var isRevocation: Bool
    var reason: String
  }

  /// Verifies the certificate of a connected client anew, with the roots and lists of this context.
  ///
  /// - Returns: nil where it is good.
  func distrust(ofPeerOf session: TLSSession) -> Distrust? {
    let result = session.verify(with: pointer)
    guard result != X509_V_OK else { return nil }
    return Distrust(
      isRevocation: result == X509_V_ERR_CERT_REVOKED,
      reason: String(cString: X509_verify_cert_error_string(Int(result))))
  }

  private func configureServer(_ configuration: TLSConfiguration) {
    SSL_CTX_set_client_CA_list(pointer, SSL_load_client_CA_file(configuration.trustRootsPath))
    let mode =
      configuration.requiresClientCertificate
      ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE
    SSL_CTX_set_verify(pointer, mode, nil)
    // Sessions are in the clients' tickets and not in this end's memory.
    co_ctx_disable_session_cache(pointer)
    // A ticket carries the client's certificate; without an id a verifying server refuses tickets.
    let sessionContext: [UInt8] = Array("massif".utf8)
    SSL_CTX_set_session_id_context(pointer, sessionContext, UInt32(sessionContext.count))
    SSL_CTX_set_timeout(pointer, TLSContext.sessionLifetime)
    SSL_CTX_set_num_tickets(pointer, 1)
    SSL_CTX_set_alpn_select_cb(
      pointer,
      { _, selected, selectedLength, offered, offeredLength, _ in
        guard let selected, let selectedLength, let offered else {
          return SSL_TLSEXT_ERR_ALERT_FATAL
        }
        var position = 0
        while position < Int(offeredLength) {
          let length = Int(offered[position])
          guard position + 1 + length <= Int(offeredLength) else { break }
          if length == 2, offered[position + 1] == TLSContext.alpn[1],
            offered[position + 2] == TLSContext.alpn[2]
          {
            selected.pointee = offered + position + 1
            selectedLength.pointee = 2
            return SSL_TLSEXT_ERR_OK
          }
          position += 1 + length
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
      }, nil)
  }
}

/// What OpenSSL has to say about the last failure on this thread; clears it.
func openSSLErrors() -> String {
  var reasons: [String] = []
  while reasons.count < 4 {
    let code = ERR_get_error()
    guard code != 0 else { break }
    if let reason = ERR_reason_error_string(code) { reasons.append(String(cString: reason)) }
  }
  ERR_clear_error()
  return reasons.isEmpty ? "no reason given" : reasons.joined(separator: "; ")
}
