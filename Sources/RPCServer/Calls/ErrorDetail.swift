// SPDX-License-Identifier: Apache-2.0

/// A field of a request that is wrong, and why.
public struct FieldViolation: Sendable, Hashable {
  /// The path of the field, as `inputs[0].shape`.
  public let field: String
  /// What was expected and what came.
  public let description: String

  /// Makes a violation.
  public init(field: String, description: String) {
    self.field = field
    self.description = description
  }
}

/// A bound that a caller has reached.
public struct QuotaViolation: Sendable, Hashable {
  /// Whose bound it is.
  public let subject: String
  /// The bound.
  public let description: String

  /// Makes a violation.
  public init(subject: String, description: String) {
    self.subject = subject
    self.description = description
  }
}

/// What a program can read of an error: the messages of `google/rpc/error_details.proto`.
public enum ErrorDetail: Sendable, Hashable {
  /// The reason as a constant, in the domain `massif`, and what it depended on.
  case errorInfo(reason: String, metadata: [String: String])
  /// The fields that are wrong.
  case badRequest([FieldViolation])
  /// When it may be worth trying again.
  case retryInfo(Duration)
  /// The bounds that were reached.
  case quotaFailure([QuotaViolation])
  /// The resource that the error is about; the owner is its team, or empty.
  case resourceInfo(type: String, name: String, owner: String, description: String)
}
