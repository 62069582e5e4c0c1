// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// How many files and sockets the process may have open.
enum OpenFileLimit {
  /// Raises the limit as far as the process itself may.
  ///
  /// The customary 1,024 are fewer than the connections that a server takes, and are kept low only
  /// for programs that use select(2).
  static func raise() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}
