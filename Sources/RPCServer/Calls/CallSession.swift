// SPDX-License-Identifier: Apache-2.0
internal import Logging
internal import RPCTransport

/// What all calls of a server share.
final class CallPipeline: Sendable {
  let routes: [String: Route]
  let access: any AccessPolicy
  let metrics: ServerMetrics
  let log: Logger
  /// Makes the names of calls differ between servers and their restarts.
  let instance = String(UInt32.random(in: 0 ... .max), radix: 36)
  private let controlPlane: [any CallInterceptor]
  private let dataPlane: [any CallInterceptor]

  init(
    routes: [String: Route], access: any AccessPolicy, interceptors: [any CallInterceptor],
    metrics: ServerMetrics = ServerMetrics(), log: Logger
  ) {
    self.routes = routes
    self.access = access
    self.metrics = metrics
    self.log = log
    controlPlane = interceptors
    dataPlane = interceptors.filter(\.coversDataPlane)
  }

  /// The names of the routes, by their index.
  var methodNames: [String] {
    routes.values.sorted { $0.index < $1.index }.map {
      // As gRFC A66 writes them: without the first slash.
      String($0.method.name.path.dropFirst())
    }
  }

  /// The index under which calls of methods that are not there are measured.
  var otherMethodIndex: Int { routes.count }

  func interceptors(for method: MethodDescription) -> [any CallInterceptor] {
    method.kind == .dataPlane ? dataPlane : controlPlane
  }
}

/// What all calls of a connection share: who calls.
///
/// Of the connection's loop, but for constants.
final class CallSession: @unchecked Sendable {
  let principal: Principal
  let account: QuotaAccount
  let pipeline: CallPipeline
  /// Where off-loop completions of the connection's loop meet; nil for a call without a connection.
  let completions: CompletionQueue?
  let loop: EventLoop?
  /// The loop's measures; nil for a call without a connection.
  let measures: CallMeasures?
  /// The client's address.
  let peer: String
  private let serial: UInt64
  // SAFETY: of the loop alone.
  @exclusivity(unchecked) private var callCount: UInt64 = 0
  private var subscriptions: [UInt64: ControlPlaneCall] = [:]
  /// What the handlers keep between calls.
  @exclusivity(unchecked) var memory: AnyObject?
  /// The route that the caller was allowed last.
  @exclusivity(unchecked) var allowedRoute: Route?
  private var isDraining = false

  init(
    _ principal: Principal, _ account: QuotaAccount, _ pipeline: CallPipeline, serial: UInt64,
    loop: EventLoop?, completions: CompletionQueue?, measures: CallMeasures? = nil,
    peer: String = ""
  ) {
    self.principal = principal
    self.account = account
    self.pipeline = pipeline
    self.serial = serial
    self.loop = loop
    self.completions = completions
    self.measures = measures
    self.peer = peer
  }

  func nextCallNumber() -> UInt64 {
    callCount += 1
    return callCount
  }

  /// Keeps a call that is to be ended when the server shuts down.
  func add(subscription call: ControlPlaneCall) {
    if isDraining { call.serverIsDraining() } else { subscriptions[call.number] = call }
  }

  func remove(subscription call: ControlPlaneCall) {
    subscriptions[call.number] = nil
  }

  /// Ends the calls that would not end by themselves.
  func drain() {
    isDraining = true
    let calls = subscriptions.values
    subscriptions = [:]
    for call in calls { call.serverIsDraining() }
  }

  /// A name for one of the session's calls that no other call has.
  func requestID(_ callNumber: UInt64) -> String { "\(pipeline.instance)-\(serial)-\(callNumber)" }
}

extension CallSession {
  /// A session without a connection.
  static func detached(_ principal: Principal, _ access: any AccessPolicy) -> CallSession {
    let pipeline = CallPipeline(
      routes: [:], access: access, interceptors: [], log: Logger(label: "massif.rpc.detached"))
    return CallSession(
      principal, QuotaLedger().open(principal), pipeline, serial: 0, loop: nil, completions: nil)
  }
}
