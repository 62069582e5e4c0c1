// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// Refuses calls whose caller may not call the method, by the policy.
///
/// A policy is a function of its arguments, so what a connection's caller was allowed once need not be
/// asked again for the next call of the same method.
final class AccessInterceptor: CallInterceptor {
  let policy: any AccessPolicy

  init(policy: any AccessPolicy) {
    self.policy = policy
  }

  func begin(_ call: Call) throws(RPCError) {
    guard call.session.allowedRoute !== call.route else { return }
    let method = call.method
    let decision = policy.authorize(
      call.principal, method: method.name, requires: method.permission)
    switch decision {
    case .allow: call.session.allowedRoute = call.route
    case .deny:
      throw RPCError(
        .permissionDenied,
        "\(call.principal) may not call \(method.name), which needs the permission "
          + "'\(method.permission)'",
        details: [
          .errorInfo(
            reason: "PERMISSION_DENIED", metadata: ["permission": method.permission.description])
        ])
    case .conceal: throw .unknownMethod(method.name.path)
    }
  }

  func end(_ call: Call, status: Status) {}
}
