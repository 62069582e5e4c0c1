// SPDX-License-Identifier: Apache-2.0
import ModelPlugins

extension ServingError {
  /// What a caller is told of a plugin's failure.
  ///
  /// A message of a failure that is not the caller's stays in the log.
  init(_ error: PluginError) {
    let violations = error.violations.map {
      Violation(field: $0.field, description: $0.description)
    }
    switch error.code {
    case .invalidArgument, .outOfRange:
      self.init(.invalidArgument, error.message, violations: violations, cause: error)
    case .resourceExhausted:
      self.init(.resourceExhausted, error.message, cause: error)
    case .failedPrecondition:
      self.init(.failedPrecondition, error.message, cause: error)
    case .unimplemented:
      self.init(.unimplemented, error.message, cause: error)
    case .cancelled:
      self.init(.cancelled, "the caller cancelled", cause: error)
    case .deadlineExceeded:
      self.init(
        .deadlineExceeded, error.reason == nil ? "the deadline passed" : error.message,
        cause: error)
    case .unavailable:
      self.init(.unavailable, error.message, retryAfter: Self.restartRetryDelay, cause: error)
    case .unknown, .notFound, .alreadyExists, .permissionDenied, .aborted, .internal, .dataLoss:
      self.init(.internal, "the model failed", cause: error)
    }
    reason = error.reason?.rawValue
  }

  /// Told to a caller whose isolated plugin is being started again.
  private static let restartRetryDelay = Duration.milliseconds(500)
}
