// SPDX-License-Identifier: Apache-2.0

/// Why a call did not succeed: gRPC's code, a message for a person, and the details that the server
/// sent.
public struct MassifError: Error, Sendable, CustomStringConvertible {
  /// The status codes of gRPC, by number.
  public enum Code: Int, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// The caller's task was cancelled, or the server gave the call up.
    case cancelled = 1
    /// The peer sent a code that is none of these.
    case unknown = 2
    /// The request is malformed; ``MassifError/fieldViolations`` says where.
    case invalidArgument = 3
    /// The deadline passed; whether the server did the work is not known.
    case deadlineExceeded = 4
    /// What the request names does not exist, or the caller may not know of it.
    case notFound = 5
    /// The name is taken.
    case alreadyExists = 6
    /// The caller may not do this.
    case permissionDenied = 7
    /// Too large, a queue is full, or a quota is used up.
    case resourceExhausted = 8
    /// The state of the resource does not allow this.
    case failedPrecondition = 9
    /// Another change came first.
    case aborted = 10
    /// Past the end of something.
    case outOfRange = 11
    /// The server does not have this method.
    case unimplemented = 12
    /// The server, or this client, has a fault.
    case `internal` = 13
    /// No server could be reached, or it does not take calls now.
    case unavailable = 14
    /// Stored data is damaged.
    case dataLoss = 15
    /// The client certificate does not name a caller.
    case unauthenticated = 16

    /// The name in gRPC's spelling, `INVALID_ARGUMENT`.
    public var description: String {
      switch self {
      case .cancelled: "CANCELLED"
      case .unknown: "UNKNOWN"
      case .invalidArgument: "INVALID_ARGUMENT"
      case .deadlineExceeded: "DEADLINE_EXCEEDED"
      case .notFound: "NOT_FOUND"
      case .alreadyExists: "ALREADY_EXISTS"
      case .permissionDenied: "PERMISSION_DENIED"
      case .resourceExhausted: "RESOURCE_EXHAUSTED"
      case .failedPrecondition: "FAILED_PRECONDITION"
      case .aborted: "ABORTED"
      case .outOfRange: "OUT_OF_RANGE"
      case .unimplemented: "UNIMPLEMENTED"
      case .internal: "INTERNAL"
      case .unavailable: "UNAVAILABLE"
      case .dataLoss: "DATA_LOSS"
      case .unauthenticated: "UNAUTHENTICATED"
      }
    }
  }

  /// One field of the request that is not as it should be.
  public struct FieldViolation: Sendable, Hashable {
    /// The path, `configuration.layers[2].units`.
    public let field: String
    /// What was expected and what came.
    public let description: String

    /// Makes a violation.
    public init(field: String, description: String) {
      self.field = field
      self.description = description
    }
  }

  /// What kind of failure.
  public let code: Code
  /// What went wrong, as the server or this client says it.
  public let message: String
  /// The fields that the server found fault with.
  public let fieldViolations: [FieldViolation]
  /// How long the server asks to wait before another attempt.
  public let retryDelay: Duration?
  /// What lies beneath, where this client made the error.
  public let cause: (any Error)?

  /// Makes an error.
  public init(
    _ code: Code, _ message: String, fieldViolations: [FieldViolation] = [],
    retryDelay: Duration? = nil, cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.fieldViolations = fieldViolations
    self.retryDelay = retryDelay
    self.cause = cause
  }

  /// `NOT_FOUND: model vision/digits has no version 7`, then the violations.
  public var description: String {
    var text = message.isEmpty ? "\(code)" : "\(code): \(message)"
    for violation in fieldViolations {
      text += " [\(violation.field): \(violation.description)]"
    }
    return text
  }
}
