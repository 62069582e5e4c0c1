// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import RPCTransport

/// The files of a development authority in one directory.
struct DevelopmentCertificates {
  let directory: String
  let clients: [ClientIdentity]
  let hosts: [String]
  let days: Int
  let renews: Bool

  /// What became of one certificate.
  struct Made: Equatable {
    /// The file's name without `.pem`.
    let name: String
    let identity: String
    let isNew: Bool
  }

  /// Makes what is missing.
  func make() throws(CommandError) -> [Made] {
    do {
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: true)
    } catch {
      throw CommandError("\(directory) cannot be made", hint: "may you write there?")
    }
    var made: [Made] = []
    do throws(TransportError) {
      let (authority, isNew) = try authority()
      made.append(Made(name: "ca", identity: "the development authority", isNew: isNew))
      let names = ["localhost"] + hosts.filter { !Self.isAddress($0) }
      let addresses = ["127.0.0.1", "::1"] + hosts.filter(Self.isAddress)
      // Certificates of another authority than the one here are of no use, so a new one renews all.
      let overwrites = renews || isNew
      made.append(
        try issue(
          "server", "the server: \((names + addresses).joined(separator: ", "))",
          .server(dnsNames: names, ipAddresses: addresses, validity: .days(days)), authority,
          overwrites))
      for client in clients {
        made.append(
          try issue(
            client.name, client.identity,
            .client(
              commonName: client.name, uriNames: [client.identity], validity: .days(days)),
            authority, overwrites))
      }
    } catch {
      throw CommandError(error.message)
    }
    return made
  }

  private func authority() throws(TransportError) -> (CertificateAuthority, isNew: Bool) {
    let (certificate, key) = paths("ca")
    if isThere(certificate), isThere(key) {
      return (try CertificateAuthority(certificatePath: certificate, privateKeyPath: key), false)
    }
    guard !isThere(certificate) else {
      throw TransportError(
        .certificate,
        "\(certificate) is there without its key, so nothing can be issued; "
          + "remove it, or choose another --directory")
    }
    let authority = try CertificateAuthority()
    try authority.certificateAndKey.write(
      certificatePath: certificate, privateKeyPath: key, overwriting: true)
    return (authority, true)
  }

  private func issue(
    _ name: String, _ identity: String, _ request: CertificateRequest,
    _ authority: CertificateAuthority, _ overwrites: Bool
  ) throws(TransportError) -> Made {
    let (certificate, key) = paths(name)
    if !overwrites, isThere(certificate), isThere(key) {
      return Made(name: name, identity: identity, isNew: false)
    }
    try authority.issue(request).write(
      certificatePath: certificate, privateKeyPath: key, overwriting: true)
    return Made(name: name, identity: identity, isNew: true)
  }

  private func paths(_ name: String) -> (certificate: String, key: String) {
    ("\(directory)/\(name).pem", "\(directory)/\(name).key")
  }

  private func isThere(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path)
  }

  private static func isAddress(_ host: String) -> Bool {
    (try? SocketAddress(host: host, port: 0)) != nil
  }
}
