// SPDX-License-Identifier: Apache-2.0

/// Who this end is and whom it trusts, as PEM files.
public struct TLSConfiguration: Sendable {
  /// The certificate of this end, then the intermediates up to the root.
  public var certificateChainPath: String
  /// The key of the first certificate.
  public var privateKeyPath: String
  /// The authorities that the other end's certificate must come from.
  public var trustRootsPath: String
  /// Certificates that the authorities have revoked: PEM lists, one for each authority that issues;
  /// nil to check none.
  ///
  /// A list that has expired is of no use, and nobody of its authority is accepted then.
  public var revocationListPath: String?
  /// Whether the file of revocation lists may be missing, as long as nothing was revoked.
  public var isRevocationListOptional = false
  /// Whether a server turns a client without a certificate away.
  ///
  /// Not public: no configuration of a product may turn it off. Tests with clients that cannot
  /// present a certificate do.
  var requiresClientCertificate = true

  /// Makes a configuration; the files are read when a ``TLSContext`` is made of it.
  public init(certificateChainPath: String, privateKeyPath: String, trustRootsPath: String) {
    self.certificateChainPath = certificateChainPath
    self.privateKeyPath = privateKeyPath
    self.trustRootsPath = trustRootsPath
  }
}
