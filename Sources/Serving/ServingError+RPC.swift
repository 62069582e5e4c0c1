// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport

extension ServingError {
  /// The status that a caller gets; the only place where one is made of a `ServingError`.
  var rpcError: RPCError {
    var details: [ErrorDetail] = []
    if !violations.isEmpty {
      details.append(
        .badRequest(
          violations.map { FieldViolation(field: $0.field, description: $0.description) }))
    }
    if let reason { details.append(.errorInfo(reason: reason, metadata: [:])) }
    if let retryAfter { details.append(.retryInfo(retryAfter)) }
    if code == .resourceExhausted {
      let subject = model.map { "model \($0)" } ?? "request"
      details.append(.quotaFailure([QuotaViolation(subject: subject, description: message)]))
    } else if let model {
      details.append(
        .resourceInfo(type: "model", name: model, owner: "", description: message))
    }
    return RPCError(statusCode, message, details: details, cause: cause)
  }

  private var statusCode: Status.Code {
    switch code {
    case .invalidArgument: .invalidArgument
    case .notFound: .notFound
    case .permissionDenied: .permissionDenied
    case .resourceExhausted: .resourceExhausted
    case .failedPrecondition: .failedPrecondition
    case .unavailable: .unavailable
    case .deadlineExceeded: .deadlineExceeded
    case .cancelled: .cancelled
    case .unimplemented: .unimplemented
    case .internal: .internal
    }
  }
}
