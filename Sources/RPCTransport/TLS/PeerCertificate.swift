// SPDX-License-Identifier: Apache-2.0
internal import COpenSSL
internal import Glibc

/// The certificate that the other end of a connection proved to own, verified against the roots.
public struct PeerCertificate: Sendable, Hashable {
  /// Every URI of the subject's alternative names, in their order.
  public let uriNames: [String]
  /// The subject, as RFC 2253 writes it.
  public let subject: String
  /// When the certificate expires, in seconds since 1970.
  public let notAfter: Int64
  /// The certificate itself.
  public let der: [UInt8]

  /// Reads a certificate; nil where a part of it cannot be read or a URI is not plain ASCII.
  init?(_ certificate: OpaquePointer) {
    var names: [String] = []
    if let extensionValue = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) {
      let generalNames = OpaquePointer(extensionValue)
      defer { GENERAL_NAMES_free(generalNames) }
      for index in 0..<co_general_names_count(generalNames) {
        var length: Int32 = 0
        guard let name = co_general_name_at(generalNames, index),
          let bytes = co_general_name_uri(name, &length)
        else { continue }
        let uri = UnsafeBufferPointer(start: bytes, count: Int(length))
        // A NUL or a control character inside a name has fooled others into two readings of it.
        guard uri.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        names.append(String(decoding: uri, as: UTF8.self))
      }
    } else if X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0 {
      return nil
    }
    uriNames = names

    guard let memory = BIO_new(BIO_s_mem()) else { return nil }
    defer { BIO_free(memory) }
    guard co_print_name(memory, X509_get_subject_name(certificate)) >= 0 else { return nil }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 256)
    while true {
      let count = BIO_read(memory, &chunk, Int32(chunk.count))
      guard count > 0 else { break }
      text += chunk.prefix(Int(count))
    }
    subject = String(decoding: text, as: UTF8.self)

    var expiry = tm()
    guard ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &expiry) == 1 else { return nil }
    notAfter = Int64(timegm(&expiry))

    let length = i2d_X509(certificate, nil)
    guard length > 0 else { return nil }
    der = [UInt8](unsafeUninitializedCapacity: Int(length)) { buffer, count in
      var end = buffer.baseAddress
      count = Int(max(i2d_X509(certificate, &end), 0))
    }
  }
}
