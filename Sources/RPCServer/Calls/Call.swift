// SPDX-License-Identifier: Apache-2.0
internal import Logging
public import RPCTransport

/// One call from its headers to its status: what all kinds of calls have in common, and what
/// interceptors see of it.
public class Call: @unchecked Sendable {
  // SAFETY: what is set when a call begins is read by any thread while it lasts, the rest by the
  // connection's loop alone.
  let session: CallSession
  @exclusivity(unchecked) private(set) final var route: Route
  private(set) final var number: UInt64
  /// The custom headers of the call.
  @exclusivity(unchecked) public private(set) final var metadata: Metadata
  /// When the turn of the loop began in which the headers came.
  private(set) final var arrival: MonotonicTime
  /// When the headers came; nil for a call of the data plane without a deadline, to which reading
  /// a clock would be an expense.
  public private(set) final var start: ContinuousClock.Instant?
  /// When the client stops waiting; nil where it did not say.
  public private(set) final var deadline: ContinuousClock.Instant?

  /// What the client was told, or would have been had it not gone; nil while that is open.
  @exclusivity(unchecked) private(set) final var status: Status?
  private final var deadlineTimer: LoopTimer?
  /// How many interceptors have begun the call; they are to end it.
  private final var begun = 0

  init(_ session: CallSession, _ route: Route, metadata: Metadata, timeout: Duration?) {
    self.session = session
    self.route = route
    self.metadata = metadata
    number = session.nextCallNumber()
    arrival = session.loop?.turnTime ?? .now
    setTimes(timeout)
  }

  /// Bytes of the messages of the call so far, as they came and as they went.
  ///
  /// On the loop.
  var messageByteCounts: (received: UInt64, sent: UInt64) { (0, 0) }

  /// Makes a call that is over stand for another of its session.
  ///
  /// - Precondition: nobody else holds it.
  final func reopen(_ route: Route, metadata: Metadata, timeout: Duration?) {
    self.route = route
    self.metadata = metadata
    number = session.nextCallNumber()
    status = nil
    arrival = session.loop?.turnTime ?? .now
    setTimes(timeout)
  }

  private final func setTimes(_ timeout: Duration?) {
    if timeout == nil, start == nil, route.method.kind == .dataPlane { return }
    start = timeout != nil || route.method.kind != .dataPlane ? ContinuousClock.now : nil
    deadline = start.flatMap { start in timeout.map { start + $0 } }
  }

  /// The method that was called.
  public final var method: MethodDescription { route.method }
  /// Who calls.
  public final var principal: Principal { session.principal }
  /// Who may do what.
  public final var access: any AccessPolicy { session.pipeline.access }
  /// The call's name in logs: the client's own `x-request-id`, or one that the server makes.
  public final var requestID: String {
    RequestID.accepted(in: metadata) ?? session.requestID(number)
  }

  /// Passes where the caller may do what `permission` stands for to a resource.
  ///
  /// - Throws: `.permissionDenied` or `.notFound`; see ``AccessPolicy/require(_:on:for:)``.
  public final func require(_ permission: Permission, on resource: Resource) throws(RPCError) {
    try access.require(permission, on: resource, for: principal)
  }

  // MARK: On the loop

  /// Asks the interceptors, in their order, and begins to watch the deadline.
  ///
  /// - Throws: what an interceptor refuses with, or that the deadline has passed already. The call
  ///   is then over.
  final func begin() throws(RPCError) {
    do throws(RPCError) {
      for interceptor in session.pipeline.interceptors(for: method) {
        try interceptor.begin(self)
        begun += 1
      }
      try watchDeadline()
    } catch {
      settle(error.status)
      end()
      throw error
    }
  }

  private final func watchDeadline() throws(RPCError) {
    guard let deadline, let loop = session.loop else { return }
    let left = ContinuousClock.now.duration(to: deadline)
    guard left > .zero else { throw .deadlineExceeded }
    deadlineTimer = loop.schedule(after: left) { [weak self] in self?.deadlinePassed() }
  }

  /// The client stops waiting now.
  func deadlinePassed() {}

  /// Says what the client is told.
  ///
  /// - Returns: false where that was settled before, and the caller has nothing to send.
  @discardableResult
  final func settle(_ status: Status) -> Bool {
    guard self.status == nil else { return false }
    self.status = status
    deadlineTimer?.cancel()
    deadlineTimer = nil
    return true
  }

  /// The client has its status and the handler, where there was one, has returned.
  final func end() {
    guard begun > 0 else { return }
    let interceptors = session.pipeline.interceptors(for: method)
    let status = self.status ?? Status(.unknown)
    while begun > 0 {
      begun -= 1
      interceptors[begun].end(self, status: status)
    }
  }

  /// The status that stands for an error, in words that may leave the server.
  ///
  /// What handlers did not mean for the client, and `.internal` errors, go to the log under an id,
  /// and only the id goes to the client.
  final func status(for error: any Error) -> Status {
    if let error = error as? RPCError, error.code != .internal { return error.status }
    if error is CancellationError { return Status(.cancelled, "the call was cancelled") }
    let id = session.requestID(number)
    session.pipeline.log.error(
      "internal error",
      metadata: [
        "id": "\(id)", "method": "\(method.name)", "principal": "\(principal)",
        "request_id": "\(requestID)", "error": "\(error)",
      ])
    return Status(
      .internal, "internal error; the server's log tells more under the id \(id)",
      details: RPCError(
        .unknown, "", details: [.errorInfo(reason: "INTERNAL", metadata: ["id": id])]
      ).status.details)
  }
}
