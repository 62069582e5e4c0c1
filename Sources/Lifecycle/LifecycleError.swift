// SPDX-License-Identifier: Apache-2.0
import Glibc
import Store

/// Why the control plane failed, where it is not a caller's fault: those are `RPCError`s.
struct LifecycleError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure.
  enum Code: Sendable, Hashable {
    /// The operating system refused a process, a socket or a thread.
    case system
    /// A worker process sent what makes no sense.
    case protocolViolation
  }

  var code: Code
  var message: String
  /// What led to it.
  ///
  /// For the log only.
  var cause: (any Error)?

  init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.cause = cause
  }

  var description: String {
    cause.map { "\(message) (\($0))" } ?? message
  }

  /// The failure of a system call.
  static func system(_ call: String, _ message: String, number: Int32 = errno) -> LifecycleError {
    LifecycleError(
      .system, "\(message): \(call): \(String(cString: strerror(number)))")
  }
}
