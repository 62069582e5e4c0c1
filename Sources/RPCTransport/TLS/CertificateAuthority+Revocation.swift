// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Glibc

extension CertificateAuthority {
  /// Makes a revocation list in PEM, of which a server refuses every certificate.
  ///
  /// - Parameters:
  ///   - certificatePaths: PEM files of the certificates to revoke.
  ///   - earlier: the list before, whose entries stay; nil to begin one.
  ///   - validity: after it the list is of no use, and servers refuse everybody.
  /// - Throws: `.certificate` where a file cannot be read or is not of this authority.
  public func revocationList(
    revoking certificatePaths: [String], earlier: String? = nil, validity: CertificateValidity
  ) throws(TransportError) -> [UInt8] {
    ERR_clear_error()
    let list = try emptyOrRead(earlier)
    defer { X509_CRL_free(list) }
    for path in certificatePaths { try revoke(path, in: list) }
    guard X509_CRL_set_version(list, Int(X509_CRL_VERSION_2)) == 1,
      X509_CRL_set_issuer_name(list, X509_get_subject_name(certificate)) == 1,
      setTime(validity.notBefore, { X509_CRL_set1_lastUpdate(list, $0) }),
      setTime(validity.notAfter, { X509_CRL_set1_nextUpdate(list, $0) }),
      X509_CRL_sort(list) == 1, X509_CRL_sign(list, key, EVP_sha256()) > 0
    else { throw CertificateAuthority.refused("a revocation list") }
    return try CertificateAuthority.pem { PEM_write_bio_X509_CRL($0, list) }
  }

  private func emptyOrRead(_ path: String?) throws(TransportError) -> OpaquePointer {
    guard let path else {
      guard let list = X509_CRL_new() else {
        throw CertificateAuthority.refused("a revocation list")
      }
      return list
    }
    let list = try CertificateAuthority.read(path, "a PEM revocation list") {
      PEM_read_bio_X509_CRL($0, nil, nil, nil)
    }
    guard X509_CRL_verify(list, X509_get0_pubkey(certificate)) == 1 else {
      X509_CRL_free(list)
      throw TransportError(.certificate, "\(path) is not a list of this authority")
    }
    return list
  }

  private func revoke(_ path: String, in list: OpaquePointer) throws(TransportError) {
    let revoked = try CertificateAuthority.read(path, "a PEM certificate") {
      PEM_read_bio_X509($0, nil, nil, nil)
    }
    defer { X509_free(revoked) }
    guard X509_verify(revoked, X509_get0_pubkey(certificate)) == 1 else {
      throw TransportError(.certificate, "\(path) is not of this authority")
    }
    var known: OpaquePointer?
    guard X509_CRL_get0_by_cert(list, &known, revoked) != 1 else { return }
    guard let entry = X509_REVOKED_new() else { throw CertificateAuthority.refused("an entry") }
    guard X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked)) == 1,
      setTime(Int64(time(nil)), { X509_REVOKED_set_revocationDate(entry, $0) }),
      X509_CRL_add0_revoked(list, entry) == 1
    else {
      X509_REVOKED_free(entry)
      throw CertificateAuthority.refused("an entry")
    }
  }

  private func setTime(
    _ seconds: Int64, _ set: (UnsafeMutablePointer<ASN1_TIME>) -> Int32
  ) -> Bool {
    guard let time = ASN1_TIME_set(nil, time_t(seconds)) else { return false }
    defer { ASN1_TIME_free(time) }
    return set(time) == 1
  }
}
