// SPDX-License-Identifier: Apache-2.0
public import RPCTransport

/// Something that is asked about every call: access, limits and logging are interceptors, in one
/// ordered list.
///
/// Both methods run on the event loop of the call's connection and must not wait.
public protocol CallInterceptor: Sendable {
  /// Whether calls of the data plane go through it too, at their rate.
  var coversDataPlane: Bool { get }

  /// A call's headers have come; nothing of its body was parsed.
  ///
  /// - Throws: to refuse the call. Interceptors behind this one are not asked.
  func begin(_ call: Call) throws(RPCError)

  /// A call is over. Called in reverse order on those whose ``begin(_:)`` did not throw, when the
  /// client has its status and the handler has returned.
  ///
  /// - Parameter status: what the client was told, or would have been, had it not gone.
  func end(_ call: Call, status: Status)
}

extension CallInterceptor {
  /// Covers everything.
  public var coversDataPlane: Bool { true }
}
