// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Which versions of a configuration's files are on disk: differs once one was replaced or changed.
public struct CertificateFileStamp: Sendable, Hashable {
  private struct File: Hashable {
    var device: UInt64 = 0
    var inode: UInt64 = 0
    var byteCount: Int64 = 0
    var seconds = 0
    var nanoseconds = 0
  }

  private let files: [File?]

  /// Looks at the files, behind links; some microseconds.
  public init(_ configuration: TLSConfiguration) {
    let paths = [
      configuration.certificateChainPath, configuration.privateKeyPath,
      configuration.trustRootsPath, configuration.revocationListPath,
    ]
    files = paths.map { path in
      var about = stat()
      guard let path, stat(path, &about) == 0 else { return nil }
      return File(
        device: UInt64(about.st_dev), inode: UInt64(about.st_ino),
        byteCount: Int64(about.st_size), seconds: about.st_mtim.tv_sec,
        nanoseconds: about.st_mtim.tv_nsec)
    }
  }
}
