// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// What a policy says to a wish.
public enum Decision: Sendable, Hashable {
  /// It may be done.
  case allow
  /// It may not, and the caller may know that the resource exists.
  case deny
  /// It may not, and the caller may not learn whether the resource exists.
  case conceal
}

/// Who may do what: the one place that decides, below every front end.
///
/// Called twice: with the method when a call's headers have come, before a byte of its body is
/// parsed, and with the resource when it is known. Functions of their arguments, called on event
/// loops: they must not wait.
public protocol AccessPolicy: Sendable {
  /// Whether a principal may call a method at all that needs `permission`.
  func authorize(
    _ principal: Principal, method: MethodName, requires permission: Permission
  ) -> Decision

  /// Whether a principal may do what `permission` stands for to a resource.
  func authorize(
    _ principal: Principal, _ permission: Permission, on resource: Resource
  ) -> Decision
}

extension AccessPolicy {
  /// Passes where the policy allows it.
  ///
  /// - Throws: `.permissionDenied`, or `.notFound` where the resource is to be concealed, in the
  ///   words in which ``RPCError/notFound(_:)`` speaks of one that does not exist.
  public func require(
    _ permission: Permission, on resource: Resource, for principal: Principal
  ) throws(RPCError) {
    switch authorize(principal, permission, on: resource) {
    case .allow: return
    case .deny:
      throw RPCError(
        .permissionDenied, "\(principal) may not \(permission) \(resource)",
        details: [.errorInfo(reason: "PERMISSION_DENIED", metadata: [:])])
    case .conceal: throw .notFound(resource)
    }
  }
}
