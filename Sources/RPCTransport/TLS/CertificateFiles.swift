// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// A certificate and its private key, in PEM.
public struct CertificateAndKey: Sendable {
  /// The certificate, which is not secret.
  public let certificatePEM: [UInt8]
  /// The private key: a secret, so nothing prints it.
  let privateKeyPEM: [UInt8]

  /// Writes both files so that each appears whole or not at all; the key with mode 0600.
  ///
  /// The key is written first: a certificate on disk always has its key. Where both files are there
  /// and `overwriting` is false nothing is touched.
  ///
  /// - Throws: `.certificate` where a file is there and `overwriting` is false; `.system` where one
  ///   cannot be written.
  public func write(
    certificatePath: String, privateKeyPath: String, overwriting: Bool = false
  ) throws(TransportError) {
    if !overwriting {
      for path in [certificatePath, privateKeyPath] where access(path, F_OK) == 0 {
        throw CertificateAndKey.exists(path)
      }
    }
    try CertificateAndKey.write(
      privateKeyPEM, to: privateKeyPath, mode: 0o600, overwriting: overwriting)
    try CertificateAndKey.write(
      certificatePEM, to: certificatePath, mode: 0o644, overwriting: overwriting)
  }

  private static func exists(_ path: String) -> TransportError {
    TransportError(.certificate, "\(path) is there already; remove it or ask to overwrite it")
  }

  private static func write(
    _ bytes: [UInt8], to path: String, mode: mode_t, overwriting: Bool
  ) throws(TransportError) {
    let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max))"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw failure("create", temporary) }
    defer { unlink(temporary) }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, bytes.count - written)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        let error = failure("write", temporary)
        close(descriptor)
        throw error
      }
      written += count
    }
    let synced = fsync(descriptor) == 0
    let syncError = failure("sync", temporary)
    guard close(descriptor) == 0, synced else { throw syncError }
    if overwriting {
      guard rename(temporary, path) == 0 else { throw failure("write", path) }
    } else if link(temporary, path) != 0 {
      // link(2), unlike rename(2), never replaces what somebody else wrote in the meantime.
      throw errno == EEXIST ? exists(path) : failure("write", path)
    }
    syncDirectory(of: path)
  }

  /// Makes the new name durable; a file system that cannot sync a directory is no reason to fail.
  private static func syncDirectory(of path: String) {
    let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }

  private static func failure(_ action: String, _ path: String) -> TransportError {
    TransportError(.system, "cannot \(action) \(path): \(String(cString: strerror(errno)))")
  }
}
