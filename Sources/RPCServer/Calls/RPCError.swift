// SPDX-License-Identifier: Apache-2.0
public import RPCTransport

/// Why a call fails, as its caller is told: a status code, a message and details for programs.
///
/// The message names the field, what was expected, what came and what to do. It is shown to
/// callers, so it holds nothing internal; `cause` stays in the server, for its log.
public struct RPCError: Error, Sendable, CustomStringConvertible {
  /// The status code; never `.ok`.
  public let code: Status.Code
  /// What a person reads.
  public let message: String
  /// What a program reads.
  public let details: [ErrorDetail]
  /// What caused it; logged, never sent.
  public let cause: (any Error)?

  /// Makes an error.
  ///
  /// An `.internal` one is sent without its message and details, with an id that is also in the log.
  public init(
    _ code: Status.Code, _ message: String, details: [ErrorDetail] = [],
    cause: (any Error)? = nil
  ) {
    precondition(code != .ok, "success is no error")
    self.code = code
    self.message = message
    self.details = details
    self.cause = cause
  }

  /// One field of the request is wrong: `INVALID_ARGUMENT` with `BadRequest`.
  public static func invalidArgument(_ field: String, _ description: String) -> RPCError {
    invalidArgument([FieldViolation(field: field, description: description)])
  }

  /// Fields of the request are wrong: `INVALID_ARGUMENT` with `BadRequest`.
  ///
  /// - Precondition: there is at least one.
  public static func invalidArgument(_ violations: [FieldViolation]) -> RPCError {
    precondition(!violations.isEmpty, "an invalid argument without a violation")
    let text = violations.map {
      $0.field.isEmpty ? $0.description : "\($0.field): \($0.description)"
    }
    return RPCError(
      .invalidArgument, text.joined(separator: "; "), details: [.badRequest(violations)])
  }

  /// A resource does not exist, or the caller may not know that it does.
  public static func notFound(_ resource: Resource) -> RPCError {
    RPCError(
      .notFound, "\(resource) does not exist",
      details: [
        .resourceInfo(
          type: resource.kind, name: resource.name, owner: resource.team ?? "",
          description: "does not exist")
      ])
  }

  /// There is no such method, or the caller may not know that there is.
  static func unknownMethod(_ path: String) -> RPCError {
    RPCError(.unimplemented, "\(path) is not a method of this server")
  }

  /// The server cannot take the call now, but may soon: `UNAVAILABLE` with `RetryInfo`.
  public static func unavailable(_ message: String, retryAfter delay: Duration) -> RPCError {
    RPCError(.unavailable, message, details: [.retryInfo(delay)])
  }

  /// The call's deadline has passed.
  public static let deadlineExceeded = RPCError(
    .deadlineExceeded, "the deadline passed before the call was complete")

  /// The code, the message and the cause: for the log, not for callers.
  public var description: String {
    "\(code): \(message)" + (cause.map { " (\($0))" } ?? "")
  }
}
