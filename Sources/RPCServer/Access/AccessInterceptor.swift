// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// Refuses calls whose caller may not call the method, by the policy.
struct AccessInterceptor: CallInterceptor {
  let policy: any AccessPolicy

  func begin(_ call: Call) throws(RPCError) {
    let method = call.method
    let decision = policy.authorize(
      call.principal, method: method.name, requires: method.permission)
    switch decision {
    case .allow: return
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
