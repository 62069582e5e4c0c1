// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Glibc

/// An authority for development and tests: a self-signed root that issues server and client
/// certificates, all with P-256 keys.
///
/// Thread-safe. In production the organisation's own authority takes its place; nothing in the server needs it.
public final class CertificateAuthority: @unchecked Sendable {
  // SAFETY: neither is changed after init, and OpenSSL counts references and signs thread-safely.
  let certificate: OpaquePointer
  let key: OpaquePointer
  /// The authority's own certificate and key, to be written to files.
  public let certificateAndKey: CertificateAndKey

  /// Makes a new authority, which costs two key operations, some 0.2 ms.
  ///
  /// - Throws: `.certificate` where OpenSSL refuses, with its reason.
  public init(
    commonName: String = "massif development authority",
    validity: CertificateValidity = .days(3650)
  ) throws(TransportError) {
    let key = try CertificateAuthority.makeKey()
    var kept = false
    defer { if !kept { EVP_PKEY_free(key) } }
    let certificate = try CertificateAuthority.makeCertificate(
      commonName: commonName, validity: validity, key: key, issuer: nil, issuerKey: key
    ) { certificate throws(TransportError) in
      try CertificateAuthority.add(
        NID_basic_constraints, "critical,CA:TRUE,pathlen:0", to: certificate, issuer: certificate)
      try CertificateAuthority.add(
        NID_key_usage, "critical,keyCertSign,cRLSign", to: certificate, issuer: certificate)
    }
    defer { if !kept { X509_free(certificate) } }
    certificateAndKey = try CertificateAuthority.encode(certificate, key)
    self.certificate = certificate
    self.key = key
    kept = true
  }

  /// Reads an authority from its PEM files.
  ///
  /// - Throws: `.certificate` where a file cannot be read or they do not belong together.
  public init(certificatePath: String, privateKeyPath: String) throws(TransportError) {
    ERR_clear_error()
    let certificate = try CertificateAuthority.read(certificatePath, "a PEM certificate") {
      PEM_read_bio_X509($0, nil, nil, nil)
    }
    var kept = false
    defer { if !kept { X509_free(certificate) } }
    let key = try CertificateAuthority.read(privateKeyPath, "a PEM private key") {
      PEM_read_bio_PrivateKey($0, nil, nil, nil)
    }
    defer { if !kept { EVP_PKEY_free(key) } }
    guard X509_check_private_key(certificate, key) == 1 else {
      throw TransportError(.certificate, "\(privateKeyPath) is not the key of \(certificatePath)")
    }
    guard X509_check_ca(certificate) == 1 else {
      throw TransportError(.certificate, "\(certificatePath) is not an authority's certificate")
    }
    certificateAndKey = try CertificateAuthority.encode(certificate, key)
    self.certificate = certificate
    self.key = key
    kept = true
  }

  deinit {
    X509_free(certificate)
    EVP_PKEY_free(key)
  }

  /// Issues a certificate for a new key.
  ///
  /// - Throws: `.invalidArgument` for an address that is none or a name that is not plain ASCII;
  ///   `.certificate` where OpenSSL refuses.
  public func issue(_ request: CertificateRequest) throws(TransportError) -> CertificateAndKey {
    let names = try CertificateAuthority.alternativeNames(request)
    defer { GENERAL_NAMES_free(names) }
    let key = try CertificateAuthority.makeKey()
    defer { EVP_PKEY_free(key) }
    let issuer = certificate
    let leaf = try CertificateAuthority.makeCertificate(
      commonName: request.commonName, validity: request.validity, key: key, issuer: issuer,
      issuerKey: self.key
    ) { leaf throws(TransportError) in
      try CertificateAuthority.add(
        NID_basic_constraints, "critical,CA:FALSE", to: leaf, issuer: issuer)
      try CertificateAuthority.add(
        NID_key_usage, "critical,digitalSignature", to: leaf, issuer: issuer)
      try CertificateAuthority.add(
        NID_ext_key_usage, request.usage == .server ? "serverAuth" : "clientAuth", to: leaf,
        issuer: issuer)
      try CertificateAuthority.add(
        NID_authority_key_identifier, "keyid:always", to: leaf, issuer: issuer)
      guard let names else { return }
      guard X509_add1_ext_i2d(leaf, NID_subject_alt_name, UnsafeMutableRawPointer(names), 0, 0) == 1
      else { throw CertificateAuthority.refused("subjectAltName") }
    }
    defer { X509_free(leaf) }
    return try CertificateAuthority.encode(leaf, key)
  }

  // MARK: Certificates

  private static func makeKey() throws(TransportError) -> OpaquePointer {
    ERR_clear_error()
    guard let key = co_generate_p256_key() else { throw refused("a P-256 key") }
    return key
  }

  /// Makes and signs a version 3 certificate; `issuer` is nil for one that signs itself.
  private static func makeCertificate(
    commonName: String, validity: CertificateValidity, key: OpaquePointer, issuer: OpaquePointer?,
    issuerKey: OpaquePointer, extensions: (OpaquePointer) throws(TransportError) -> Void
  ) throws(TransportError) -> OpaquePointer {
    guard let certificate = X509_new() else { throw refused("a certificate") }
    var kept = false
    defer { if !kept { X509_free(certificate) } }
    guard X509_set_version(certificate, Int(X509_VERSION_3)) == 1, setSerialNumber(certificate),
      ASN1_TIME_set(X509_getm_notBefore(certificate), time_t(validity.notBefore)) != nil,
      ASN1_TIME_set(X509_getm_notAfter(certificate), time_t(validity.notAfter)) != nil,
      X509_set_pubkey(certificate, key) == 1
    else { throw refused("a certificate") }
    let subject = X509_get_subject_name(certificate)
    guard
      X509_NAME_add_entry_by_txt(
        subject, "CN", MBSTRING_UTF8, Array(commonName.utf8), Int32(commonName.utf8.count), -1, 0)
        == 1
    else {
      throw TransportError(
        .invalidArgument, "common name '\(commonName)': 1 to 64 characters were expected")
    }
    X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0) } ?? subject)
    try add(NID_subject_key_identifier, "hash", to: certificate, issuer: issuer ?? certificate)
    try extensions(certificate)
    guard X509_sign(certificate, issuerKey, EVP_sha256()) > 0 else { throw refused("a signature") }
    kept = true
    return certificate
  }

  /// 127 random bits, as the CA/Browser Forum asks for (at least 64) and RFC 5280 allows (at most 20
  /// bytes, positive).
  private static func setSerialNumber(_ certificate: OpaquePointer) -> Bool {
    guard let number = BN_new() else { return false }
    defer { BN_free(number) }
    return BN_rand(number, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1
      && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil
  }

  private static func add(
    _ nid: Int32, _ value: String, to certificate: OpaquePointer, issuer: OpaquePointer
  ) throws(TransportError) {
    guard co_add_extension(certificate, issuer, nid, value) == 1 else { throw refused(value) }
  }

  private static func alternativeNames(
    _ request: CertificateRequest
  ) throws(TransportError) -> OpaquePointer? {
    guard !request.dnsNames.isEmpty || !request.ipAddresses.isEmpty || !request.uriNames.isEmpty
    else { return nil }
    guard let names = co_general_names_new() else { throw refused("subjectAltName") }
    var kept = false
    defer { if !kept { GENERAL_NAMES_free(names) } }
    for (kind, texts) in [(GEN_DNS, request.dnsNames), (GEN_URI, request.uriNames)] {
      for text in texts {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
          throw TransportError(
            .invalidArgument, "name '\(text)': printable ASCII without spaces was expected")
        }
        guard co_general_names_add(names, kind, bytes, Int32(bytes.count)) == 1 else {
          throw refused("subjectAltName")
        }
      }
    }
    for address in request.ipAddresses {
      guard let octets = a2i_IPADDRESS(address) else {
        throw TransportError(
          .invalidArgument, "'\(address)': an IPv4 or IPv6 address in numbers was expected")
      }
      defer { ASN1_OCTET_STRING_free(octets) }
      let count = ASN1_STRING_length(octets)
      guard co_general_names_add(names, GEN_IPADD, ASN1_STRING_get0_data(octets), count) == 1 else {
        throw refused("subjectAltName")
      }
    }
    kept = true
    return names
  }

  // MARK: PEM

  private static func encode(
    _ certificate: OpaquePointer, _ key: OpaquePointer
  ) throws(TransportError) -> CertificateAndKey {
    CertificateAndKey(
      certificatePEM: try pem { PEM_write_bio_X509($0, certificate) },
      privateKeyPEM: try pem { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) })
  }

  static func pem(_ write: (OpaquePointer) -> Int32) throws(TransportError) -> [UInt8] {
    guard let memory = BIO_new(BIO_s_mem()) else { throw refused("memory") }
    defer { BIO_free(memory) }
    guard write(memory) == 1 else { throw refused("PEM") }
    var contents: UnsafeMutablePointer<CChar>?
    let count = co_bio_contents(memory, &contents)
    return [UInt8](UnsafeRawBufferPointer(start: contents, count: count))
  }

  static func read(
    _ path: String, _ expected: String, _ parse: (OpaquePointer) -> OpaquePointer?
  ) throws(TransportError) -> OpaquePointer {
    guard let file = BIO_new_file(path, "r") else {
      throw TransportError(.certificate, "\(path) cannot be opened: \(reason())")
    }
    defer { BIO_free(file) }
    guard let object = parse(file) else {
      throw TransportError(.certificate, "\(path): \(expected) was expected (\(reason()))")
    }
    return object
  }

  static func refused(_ what: String) -> TransportError {
    TransportError(.certificate, "OpenSSL refuses to make \(what): \(reason())")
  }

  /// What OpenSSL says about the last failure on this thread; clears it.
  private static func reason() -> String {
    let code = ERR_get_error()
    ERR_clear_error()
    guard code != 0, let reason = ERR_reason_error_string(code) else { return "no reason given" }
    return String(cString: reason)
  }
}
