// SPDX-License-Identifier: Apache-2.0

/// Why a plugin, or the host on its behalf, refused or failed.
public struct PluginError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure; raw values are gRPC's status codes.
  public enum Code: Int, Sendable, Hashable {
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14
    case dataLoss = 15
  }

  /// The kind of failure.
  public var code: Code
  /// What was wrong, what was expected and what came; holds no path and no address.
  public var message: String
  /// One entry for each field that is wrong, in the order in which they were found.
  public var violations: [FieldViolation]

  /// Why the host failed the call of a plugin that did not answer, for programs; nil otherwise.
  public var reason: Reason?

  /// Reasons as `google.rpc.ErrorInfo` gives them.
  public enum Reason: String, Sendable, Hashable {
    /// An isolated plugin's process ended while it answered.
    case crashed = "PLUGIN_CRASHED"
    /// An isolated plugin is being started, for the first time or again.
    case restarting = "PLUGIN_RESTARTING"
    /// An isolated plugin took longer than allowed, and was ended.
    case timedOut = "PLUGIN_TIMED_OUT"
    /// An isolated plugin used up its memory.
    case outOfMemory = "PLUGIN_OUT_OF_MEMORY"
    /// A model would take more memory than this server gives one.
    case overMemoryLimit = "MODEL_OVER_MEMORY_LIMIT"
    /// A plugin's answer is not what it declared, or no possible answer.
    case brokeContract = "PLUGIN_BROKE_CONTRACT"
  }

  /// Makes an error.
  public init(
    _ code: Code, _ message: String, violations: [FieldViolation] = [], reason: Reason? = nil
  ) {
    self.code = code
    self.message = message
    self.violations = violations
    self.reason = reason
  }

  /// Makes an `.invalidArgument` error about one field.
  public init(field: String, _ description: String) {
    self.init(
      .invalidArgument, "\(field): \(description)",
      violations: [FieldViolation(field: field, description: description)])
  }

  /// Makes an `.invalidArgument` error about one or more fields; the message lists them all.
  public init(violations: [FieldViolation]) {
    let message = violations.map { "\($0.field): \($0.description)" }.joined(separator: "; ")
    self.init(.invalidArgument, message, violations: violations)
  }

  /// The code's name and the message.
  public var description: String { "\(code): \(message)" }
}

/// What is wrong with one field of a request or of a configuration.
public struct FieldViolation: Sendable, Hashable {
  /// The path of the field, for example `configuration.layers[2].units`.
  public var field: String
  /// What was expected and what came.
  public var description: String

  /// Makes a violation.
  public init(field: String, description: String) {
    self.field = field
    self.description = description
  }
}
