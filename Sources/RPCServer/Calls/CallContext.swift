// SPDX-License-Identifier: Apache-2.0
public import RPCTransport

/// What a control-plane handler knows of its call beside the messages.
///
/// A handler runs in a task of its own that is cancelled when the deadline passes, the client
/// cancels or its connection is lost: ``Task/isCancelled`` and every cancellable wait say so.
public struct CallContext: Sendable {
  /// Who calls.
  public let principal: Principal
  /// The method that was called.
  public let method: MethodName
  /// The custom headers of the call.
  public let metadata: Metadata
  /// When the client stops waiting; nil where it did not say.
  public let deadline: ContinuousClock.Instant?
  /// The call's name in logs: the client's own `x-request-id`, or one that the server made.
  public let requestID: String
  /// Who may do what.
  public let access: any AccessPolicy
  /// What goes to the client beside the responses.
  public let response = ResponseMetadata()

  /// Makes a context; tests of handlers need no server for it.
  public init(
    principal: Principal, method: MethodName, access: any AccessPolicy,
    metadata: Metadata = Metadata(), deadline: ContinuousClock.Instant? = nil,
    requestID: String = "-"
  ) {
    self.principal = principal
    self.method = method
    self.access = access
    self.metadata = metadata
    self.deadline = deadline
    self.requestID = requestID
  }

  /// Passes where the caller may do what `permission` stands for to a resource.
  ///
  /// - Throws: `.permissionDenied` or `.notFound`; see ``AccessPolicy/require(_:on:for:)``.
  public func require(_ permission: Permission, on resource: Resource) throws(RPCError) {
    try access.require(permission, on: resource, for: principal)
  }
}
