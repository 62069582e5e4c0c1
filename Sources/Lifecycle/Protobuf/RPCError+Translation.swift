// SPDX-License-Identifier: Apache-2.0
import ModelPlugins
import RPCServer
import RPCTransport
import Runtime
import Store

/// The one place where failures of the parts become what a caller is told.
extension RPCError {
  /// Turns an error of the store, of a plugin or of the runtime into a status.
  ///
  /// - Parameter field: what the violations are about, put before their paths, as `specification`.
  init(translating error: any Error, field: String = "") {
    switch error {
    case let error as RPCError: self = error
    case let error as StoreError: self.init(error)
    case let error as PluginError: self.init(error, field: field)
    case let error as RuntimeError: self.init(error, field: field)
    case is CancellationError:
      self.init(.cancelled, "the call was cancelled", cause: error)
    default: self.init(.internal, "the server failed", cause: error)
    }
  }

  private init(_ error: StoreError) {
    let code: Status.Code =
      switch error.code {
      case .notFound: .notFound
      case .alreadyExists: .alreadyExists
      case .invalidArgument: .invalidArgument
      case .resourceExhausted: .resourceExhausted
      case .failedPrecondition: .failedPrecondition
      case .dataLoss: .dataLoss
      case .internal: .internal
      }
    self.init(code, error.message, cause: error)
  }

  private init(_ error: PluginError, field: String) {
    let code = Status.Code(rawValue: error.code.rawValue) ?? .internal
    guard !error.violations.isEmpty else {
      self.init(code, error.message, details: Self.details(of: error), cause: error)
      return
    }
    self = .invalidArgument(
      error.violations.map {
        .init(field: Self.path(field, $0.field), description: $0.description)
      })
  }

  private static func details(of error: PluginError) -> [ErrorDetail] {
    guard let reason = error.reason else { return [] }
    let information = ErrorDetail.errorInfo(reason: reason.rawValue, metadata: [:])
    guard reason == .overMemoryLimit else { return [information] }
    return [
      information,
      .quotaFailure([QuotaViolation(subject: "memory", description: error.message)]),
    ]
  }

  private init(_ error: RuntimeError, field: String) {
    switch error.code {
    case .tooLarge:
      self.init(.resourceExhausted, error.description, cause: error)
    case .notFound:
      self.init(.notFound, error.description, cause: error)
    case .failedPrecondition:
      self.init(.failedPrecondition, error.description, cause: error)
    default:
      self = .invalidArgument(Self.path(field, error.field ?? ""), error.message)
    }
  }

  private static func path(_ outer: String, _ inner: String) -> String {
    outer.isEmpty || inner.isEmpty ? outer + inner : "\(outer).\(inner)"
  }

  /// The server is on its way down.
  static let stopping = RPCError.unavailable(
    "the server is shutting down", retryAfter: .seconds(5))

  /// No more jobs may wait.
  static func queueFull(limit: Int) -> RPCError {
    let what = "at most \(limit) jobs wait for a worker"
    return RPCError(
      .resourceExhausted, "\(what); try again when one has begun",
      details: [
        .quotaFailure([QuotaViolation(subject: "jobs", description: what)]),
        .retryInfo(.seconds(30)),
      ])
  }
}
