// SPDX-License-Identifier: Apache-2.0

/// The PEM files that a client proves with who it is, and knows its servers by.
public struct Credentials: Sendable, Hashable {
  /// The client's certificate, and the chain up to the authority.
  public var certificateChainPath: String
  /// The certificate's private key.
  public var privateKeyPath: String
  /// The authorities whose servers are believed.
  public var trustRootsPath: String

  /// Takes three paths.
  ///
  /// Nothing is read before a client is made.
  public init(certificateChainPath: String, privateKeyPath: String, trustRootsPath: String) {
    self.certificateChainPath = certificateChainPath
    self.privateKeyPath = privateKeyPath
    self.trustRootsPath = trustRootsPath
  }

  /// Takes `NAME.pem`, `NAME.key` and `ca.pem` of a directory as `massif certs init` makes it.
  public init(directory: String, name: String) {
    self.init(
      certificateChainPath: "\(directory)/\(name).pem", privateKeyPath: "\(directory)/\(name).key",
      trustRootsPath: "\(directory)/ca.pem")
  }
}
