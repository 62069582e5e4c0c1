// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Why the store refused or failed.
public struct StoreError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure.
  public enum Code: Sendable, Hashable {
    /// There is no such record or file.
    case notFound
    /// The name is taken by something else.
    case alreadyExists
    /// A name, a digest or a file is not what it must be.
    case invalidArgument
    /// The disk or a quota is full, or something is larger than allowed.
    case resourceExhausted
    /// The state of things does not allow it; the message says what must be done first.
    case failedPrecondition
    /// What is on disk is not what was written.
    case dataLoss
    /// The disk, the database or the operating system failed.
    case `internal`
  }

  /// The kind of failure.
  public var code: Code
  /// What was wrong, what was expected and what came; holds no path.
  public var message: String
  /// What led to it.
  ///
  /// For the log only: it may hold paths.
  public var cause: (any Error)?

  /// Makes an error.
  public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.cause = cause
  }

  /// The code's name and the message.
  public var description: String { "\(code): \(message)" }
}

/// A failed system call.
public struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The value of `errno`.
  public let number: Int32
  /// The call, for example `fsync`.
  public let call: String

  /// The call and the system's words for the number.
  public var description: String { "\(call): \(String(cString: strerror(number)))" }
}

extension StoreError {
  /// Turns the failure of a system call into an error; a full disk is the caller's to know.
  static func system(_ call: String, _ action: String, number: Int32 = errno) -> StoreError {
    let cause = SystemError(number: number, call: call)
    return switch number {
    case ENOSPC, EDQUOT, EFBIG:
      StoreError(.resourceExhausted, "\(action): the server's disk is full", cause: cause)
    case ENOENT:
      StoreError(.notFound, "\(action): no such file", cause: cause)
    case EEXIST, ENOTEMPTY:
      StoreError(.alreadyExists, "\(action): it exists already", cause: cause)
    default:
      StoreError(.internal, "\(action) failed", cause: cause)
    }
  }
}
