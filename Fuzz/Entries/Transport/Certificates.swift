// SPDX-License-Identifier: Apache-2.0
import COpenSSL
@testable import RPCServer
@testable import RPCTransport

extension FuzzEntry {
  /// A client's certificate, as it comes in the handshake: names without control characters, one
  /// identity or none, and the very bytes that came.
  ///
  /// Input: DER, or PEM where it begins with a dash.
  static let certificate = FuzzEntry("certificate", maxByteCount: 2048) { bytes in
    guard let certificate = parsed(bytes) else { return }
    defer {
      X509_free(certificate)
      ERR_clear_error()
    }
    guard let peer = PeerCertificate(certificate) else { return }
    for name in peer.uriNames {
      try require(
        name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }, "the name \(Array(name.utf8))")
    }
    do {
      let principal = try Principal(peer)
      try require(
        peer.uriNames == [principal.spiffeID], "\(peer.uriNames) is taken for \(principal)")
    } catch let error as RPCError {
      try require(error.code == .unauthenticated, "refused as \(error.code)")
    }
    let again = peer.der.withUnsafeBytes { parsed($0) }
    defer { X509_free(again) }
    try require(again.map { X509_cmp($0, certificate) } == 0, "the DER is of another certificate")
  }

  private static func parsed(_ bytes: UnsafeRawBufferPointer) -> OpaquePointer? {
    guard bytes.first == UInt8(ascii: "-") else {
      var start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      return d2i_X509(nil, &start, bytes.count)
    }
    guard let file = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
    defer { BIO_free(file) }
    return PEM_read_bio_X509(file, nil, nil, nil)
  }

  /// Files of trust: authorities, revocation lists, an authority's own certificate.
  ///
  /// Input: which file it is, its bytes.
  static let revocationList = FuzzEntry("trust-files", maxByteCount: 4096) { bytes in
    var input = FuzzInput(bytes)
    let kind = input.byte()
    let fuzzed = try MemoryFile(input.rest)
    let own = try OwnCertificate.shared.get()
    var configuration = own.configuration
    do {
      switch kind & 3 {
      case 0:
        configuration.revocationListPath = fuzzed.path
        _ = try TLSContext.server(configuration)
      case 1:
        configuration.trustRootsPath = fuzzed.path
        _ = try TLSContext.client(configuration)
      case 2:
        let list = try own.authority.revocationList(
          revoking: [], earlier: fuzzed.path, validity: .days(1))
        try require(!list.isEmpty, "a list without bytes")
      default:
        _ = try own.authority.revocationList(revoking: [fuzzed.path], validity: .days(1))
      }
    } catch let error as TransportError {
      try require(error.code == .certificate, "refused as \(error.code): \(error.message)")
    }
  }

  /// Names that callers give: an identity and a method.
  ///
  /// Input: the text.
  static let identity = FuzzEntry("identity", maxByteCount: 512) { bytes in
    guard let text = FuzzInput(bytes).text else { return }
    if let principal = try? Principal(spiffeID: text) {
      try require(principal.spiffeID.utf8.elementsEqual(text.utf8), "'\(text)' is \(principal)")
    }
    if let method = MethodName(path: text) {
      try require(
        "/\(method.service)/\(method.method)".utf8.elementsEqual(text.utf8),
        "'\(text)' is \(method.service) and \(method.method)")
    }
  }

  /// W3C trace context: what is read is written as it was read.
  ///
  /// Input: the header's value.
  static let traceparent = FuzzEntry("traceparent", maxByteCount: 128) { bytes in
    guard let text = FuzzInput(bytes).text, let context = TraceContext(text) else { return }
    try require(TraceContext(context.text) == context, "\(context) is not read as written")
    try require(context.text.utf8.count == 55, "'\(context.text)'")
    if text.hasPrefix("00-") { try require(context.text == text, "'\(text)' is \(context)") }
  }
}

/// A server's certificate and the authority that it is of, in memory.
private struct OwnCertificate: @unchecked Sendable {
  static let shared = Result { try OwnCertificate() }

  let authority: CertificateAuthority
  let configuration: TLSConfiguration
  // SAFETY: only kept, so that the paths stay good.
  private let files: [MemoryFile]

  private init() throws {
    authority = try CertificateAuthority()
    let server = try authority.issue(.server(dnsNames: ["localhost"], validity: .days(30)))
    files = [
      try MemoryFile(server.certificatePEM), try MemoryFile(server.privateKeyPEM),
      try MemoryFile(authority.certificateAndKey.certificatePEM),
    ]
    configuration = TLSConfiguration(
      certificateChainPath: files[0].path, privateKeyPath: files[1].path,
      trustRootsPath: files[2].path)
  }
}
