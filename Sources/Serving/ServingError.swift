// SPDX-License-Identifier: Apache-2.0

/// Why a request of the inference protocol was refused or failed.
///
/// Turned into a gRPC status, with `google.rpc` details, in one place: `ServingError+RPC.swift`.
public struct ServingError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure.
  public enum Code: String, Sendable, Hashable {
    /// The request's bytes or tensors are not what the model takes.
    case invalidArgument
    /// No such model or version, or none that the caller may know of.
    case notFound
    /// The caller knows it, but may not do this to it.
    case permissionDenied
    /// A bound is reached: the batch queue, or a size.
    case resourceExhausted
    /// The state of the model does not allow it.
    case failedPrecondition
    /// Loading or draining; worth another try soon.
    case unavailable
    /// Nobody waits any more: the deadline passed before the model ran.
    case deadlineExceeded
    /// Nobody waits any more: the caller cancelled.
    case cancelled
    /// The protocol has it and this server does not.
    case unimplemented
    /// Ours or the plugin's fault.
    case `internal`
  }

  /// What is wrong with one field.
  public struct Violation: Sendable, Hashable {
    /// The field's path, for example `inputs[1].datatype`.
    public var field: String
    /// What was expected and what came.
    public var description: String

    /// Makes a violation.
    public init(field: String, description: String) {
      self.field = field
      self.description = description
    }
  }

  /// The kind of failure.
  public var code: Code
  /// What a person reads; holds nothing internal.
  public var message: String
  /// The fields that are wrong, first found first.
  public var violations: [Violation]
  /// When another try makes sense.
  public var retryAfter: Duration?
  /// Why, for programs: the reason of a `google.rpc.ErrorInfo`.
  public var reason: String?
  /// The model that it is about, as the caller named it.
  public var model: String?
  /// What lies beneath, for the log alone.
  public var cause: (any Error)?

  /// Makes an error.
  public init(
    _ code: Code, _ message: String, violations: [Violation] = [], retryAfter: Duration? = nil,
    reason: String? = nil, model: String? = nil, cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.violations = violations
    self.retryAfter = retryAfter
    self.reason = reason
    self.model = model
    self.cause = cause
  }

  /// Makes an `.invalidArgument` about one field.
  public init(field: String, _ description: String) {
    self.init(
      .invalidArgument, "\(field): \(description)",
      violations: [Violation(field: field, description: description)])
  }

  /// The system has no memory for a tensor of this length.
  static func noMemory(byteCount: Int) -> ServingError {
    ServingError(.resourceExhausted, "no memory for \(byteCount) bytes of tensors")
  }

  /// The code and the message.
  public var description: String { "\(code.rawValue): \(message)" }
}
