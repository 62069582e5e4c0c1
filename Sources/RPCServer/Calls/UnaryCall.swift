// SPDX-License-Identifier: Apache-2.0
public import RPCTransport
internal import Synchronization

/// Handles the calls of a data-plane method.
public protocol UnaryDataPlaneHandler: Sendable {
  /// Takes a call whose request is complete, on the event loop of its connection.
  ///
  /// Returns at once. The call is completed, exactly once, before or after that, on any thread.
  func handle(_ call: UnaryCall)
}

/// A data-plane call: one request, one response, no `async`.
///
/// Whoever takes it completes it exactly once, with ``succeed(_:)`` or ``fail(_:)``, from any
/// thread; also where it is cancelled, when the response goes nowhere. A call that is never
/// completed holds its caller's quota and its memory.
public class UnaryCall: Call, @unchecked Sendable {
  private final let isAbandoned = Atomic(false)
  private final let isCompleted = Atomic(false)
  // SAFETY: written by the loop before the handler sees the call and when the call is over.
  @exclusivity(unchecked) final var request: ReceivedMessage?

  /// The request.
  public final var message: ReceivedMessage {
    guard let request else { preconditionFailure("a handler sees calls with a request only") }
    return request
  }

  /// What the handlers of a connection's calls keep between them; one caller's, as a connection is.
  ///
  /// On the loop, so before ``UnaryDataPlaneHandler/handle(_:)`` returns.
  public final var connectionMemory: AnyObject? {
    get { session.memory }
    set { session.memory = newValue }
  }

  /// Memory for the head of a small response that the call's loop uses again and again; nil away from
  /// the loop, and for more than 1 KB.
  public func responseBuffer(capacity: Int) -> PooledBuffer? { nil }

  /// Says that the next requests of this length are best put so that the byte at `offset` is aligned.
  ///
  /// On the loop, so before ``UnaryDataPlaneHandler/handle(_:)`` returns. A hint.
  public func alignRequests(ofByteCount byteCount: Int, at offset: Int) {}

  /// Whether nobody waits for the response any more: the client has cancelled or gone, or the
  /// deadline has passed.
  ///
  /// To be asked before compute is spent. Any thread; one atomic load and, where there is a
  /// deadline, a look at the clock.
  public final var isCancelled: Bool {
    if isAbandoned.load(ordering: .relaxed) { return true }
    guard let deadline else { return false }
    return deadline <= .now
  }

  /// Completes the call with a response.
  ///
  /// Any thread; on the connection's own loop without a lock.
  public final func succeed(_ response: OutgoingMessage) {
    complete(.success(response))
  }

  /// Completes the call with an error.
  ///
  /// Any thread.
  public final func fail(_ error: RPCError) {
    complete(.failure(error))
  }

  private final func complete(_ outcome: Result<OutgoingMessage, RPCError>) {
    let isFirst = !isCompleted.exchange(true, ordering: .relaxed)
    assert(isFirst, "\(method.name): a call is completed once")
    if isFirst { completed(outcome) }
  }

  /// Makes a call that is over stand for another; see ``Call/reopen(_:metadata:timeout:)``.
  final func reopenUnary(_ route: Route, metadata: Metadata, timeout: Duration?) {
    isAbandoned.store(false, ordering: .relaxed)
    isCompleted.store(false, ordering: .relaxed)
    reopen(route, metadata: metadata, timeout: timeout)
  }

  /// Marks the call as one that nobody waits for.
  final func abandon() { isAbandoned.store(true, ordering: .relaxed) }

  /// Brings the outcome to the client.
  ///
  /// Any thread; called once.
  func completed(_ outcome: Result<OutgoingMessage, RPCError>) {}
}

extension UnaryCall {
  /// Makes a call without a connection, for tests of handlers in process.
  ///
  /// - Parameter completion: called once, on the thread that completes the call.
  public static func detached(
    _ message: ReceivedMessage, method: MethodName, principal: Principal,
    access: any AccessPolicy, metadata: Metadata = Metadata(), timeout: Duration? = nil,
    completion: @escaping @Sendable (Result<OutgoingMessage, RPCError>) -> Void
  ) -> UnaryCall {
    DetachedUnaryCall(message, method, principal, access, metadata, timeout, completion)
  }

  /// Cancels a call that was made by ``detached(_:method:principal:access:metadata:timeout:completion:)``,
  /// as a client that goes away would.
  public final func cancelDetached() {
    precondition(session.loop == nil, "only the client cancels a call of a connection")
    abandon()
  }
}

/// A call without a connection.
private final class DetachedUnaryCall: UnaryCall, @unchecked Sendable {
  private let completion: @Sendable (Result<OutgoingMessage, RPCError>) -> Void

  /// A handler that is never asked: the caller of `detached` holds the handler itself.
  private struct NoHandler: UnaryDataPlaneHandler {
    func handle(_ call: UnaryCall) {}
  }

  init(
    _ message: ReceivedMessage, _ method: MethodName, _ principal: Principal,
    _ access: any AccessPolicy, _ metadata: Metadata, _ timeout: Duration?,
    _ completion: @escaping @Sendable (Result<OutgoingMessage, RPCError>) -> Void
  ) {
    self.completion = completion
    let session = CallSession.detached(principal, access)
    let description = MethodDescription(
      name: method, kind: .dataPlane, permission: .identify, maxMessageSize: nil)
    super.init(
      session, Route(description, .dataPlane(NoHandler()), index: 0), metadata: metadata,
      timeout: timeout)
    request = message
  }

  override func completed(_ outcome: Result<OutgoingMessage, RPCError>) { completion(outcome) }
}
