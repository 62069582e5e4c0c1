// SPDX-License-Identifier: Apache-2.0
internal import Glibc
public import Logging
public import RPCTransport
internal import Synchronization

/// A gRPC server over mutual TLS: accepts connections, finds out who calls, and brings calls to
/// the handlers of its router.
///
/// Started once and shut down once. One event loop a core; one of them accepts, and hands the
/// connections round in turn, so that a few connections are spread evenly too (`SO_REUSEPORT`
/// spreads by a hash, which puts 8 connections on 2 loops as 6 and 2 often enough).
public final class RPCServer: Sendable {
  private enum Phase {
    case idle
    case running
    case draining
    case stopped
  }

  private struct Loop {
    let eventLoop: EventLoop
    let completions: CompletionQueue
    let measures: CallMeasures?
  }

  private struct State {
    var phase = Phase.idle
    var loops: [Loop] = []
    var listeners: [ListeningSocket] = []
    var limits: ConnectionLimits
    var credentials: ServerCredentials?
    var watch: Task<Void, Never>?
    var sessions: [UInt64: ConnectionSession] = [:]
    var accepted: UInt64 = 0
    var plainMetrics: PlainMetricsListener?
    /// Those who wait for the last connection to close.
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let configuration: ServerConfiguration
  private let quota: QuotaLedger
  private let pipeline: CallPipeline
  private let log: Logger
  /// What the server measures; parts of the program may add theirs.
  public let metrics = ServerMetrics()
  private let strangers: ThrottledLog
  private let state: Mutex<State>

  /// Makes a server that does not listen yet.
  ///
  /// - Parameters:
  ///   - interceptors: asked about every call behind logging, metrics, access and quota, in this
  ///     order.
  ///   - accessLog: where the lines about calls go; nil: to `log`.
  public init(
    configuration: ServerConfiguration, router: Router, access: any AccessPolicy,
    quota: QuotaLedger = QuotaLedger(), interceptors: [any CallInterceptor] = [],
    accessLog: (any AccessLogWriter)? = nil, log: Logger
  ) {
    self.configuration = configuration
    self.quota = quota
    self.log = log
    strangers = ThrottledLog(log)
    state = Mutex(
      State(
        limits: ConnectionLimits(
          maxTotal: configuration.maxConnections,
          maxPerPeer: configuration.maxConnectionsPerPeer ?? configuration.maxConnections)))
    var list: [any CallInterceptor] = []
    // First, so that it is asked last how a call ended and sees what the others refuse.
    if configuration.accessLogging != .off {
      list.append(
        AccessLog(
          writer: accessLog ?? LoggerAccessLogWriter(log: log),
          coversDataPlane: configuration.accessLogging == .everything))
    }
    if configuration.measuresCalls { list.append(CallMetrics()) }
    list.append(AccessInterceptor(policy: access))
    list.append(QuotaInterceptor())
    pipeline = CallPipeline(
      routes: router.routes, access: access, interceptors: list + interceptors,
      metrics: metrics, log: log)
    metrics.add { [weak self] text in
      guard let self else { return }
      let name = "massif_rpc_connections"
      text.begin(name, .gauge, "Open connections.")
      text.sample(name, UInt64(connectionCount))
    }
  }

  /// Where `/metrics` is told over plain HTTP; nil where it is not.
  public var plainMetricsAddress: SocketAddress? { state.withLock { $0.plainMetrics?.address } }

  /// Connections that are open now.
  public var connectionCount: Int { state.withLock { $0.sessions.count } }

  /// Listens and begins to serve.
  ///
  /// - Returns: the address, with the port that was given for port 0.
  /// - Throws: `.certificate` for files that cannot be used, `.invalidArgument` for a host that is
  ///   no address or a path that is too long, `.system` where the address is taken.
  /// - Precondition: the server was not started before.
  @discardableResult
  public func start() async throws(TransportError) -> SocketAddress {
    let isFirst = state.withLock { state in
      defer { state.phase = .running }
      return state.phase == .idle
    }
    precondition(isFirst, "a server is started once")
    do throws(TransportError) {
      return try listen()
    } catch {
      state.withLock { $0.phase = .stopped }
      throw error
    }
  }

  private func listen() throws(TransportError) -> SocketAddress {
    let credentials = try ServerCredentials(configuration.tls)
    let address = try SocketAddress(host: configuration.host, port: configuration.port)
    let loops = try makeLoops()
    do throws(TransportError) {
      var listeners = [try ListeningSocket(address: address, loop: loops[0].eventLoop)]
      if let path = configuration.unixSocketPath {
        let address = try SocketAddress(unixPath: path)
        listeners.append(try ListeningSocket(address: address, loop: loops[0].eventLoop))
      }
      let watch = watchFiles()
      state.withLock { state in
        state.loops = loops
        state.listeners = listeners
        state.credentials = credentials
        state.watch = watch
      }
      let plainMetrics = try configuration.plainMetrics.map {
        (host, port) throws(TransportError) in
        try PlainMetricsListener(
          SocketAddress(host: host, port: port), loop: loops[0].eventLoop, metrics: metrics)
      }
      state.withLock { $0.plainMetrics = plainMetrics }
      for listener in listeners {
        listener.start { [weak self] socket in self?.accepted(socket, credentials) }
      }
      return listeners[0].localAddress
    } catch {
      for loop in loops { loop.eventLoop.stop() }
      throw error
    }
  }

  private func makeLoops() throws(TransportError) -> [Loop] {
    let count = max(configuration.eventLoopCount ?? sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
    var loops: [Loop] = []
    do throws(TransportError) {
      for index in 0..<count {
        let loop = try EventLoop(name: "massif-rpc-\(index)")
        loops.append(
          Loop(
            eventLoop: loop, completions: CompletionQueue(loop),
            measures: configuration.measuresCalls
              ? metrics.addLoop(methods: pipeline.methodNames) : nil))
      }
    } catch {
      for loop in loops { loop.eventLoop.stop() }
      throw error
    }
    return loops
  }

  /// Gives an accepted connection to the next loop, or closes it where there are too many.
  private func accepted(_ socket: Socket, _ credentials: ServerCredentials) {
    let network = socket.peerAddress.peerNetwork
    let (session, refusal) = state.withLock {
      state -> (ConnectionSession?, ConnectionLimits.Refusal?) in
      guard state.phase == .running else { return (nil, nil) }
      if let refusal = state.limits.open(network) { return (nil, refusal) }
      state.accepted += 1
      let loop = state.loops[Int(state.accepted % UInt64(state.loops.count))]
      let session = ConnectionSession(
        serial: state.accepted, loop: loop.eventLoop, network: network,
        completions: loop.completions, measures: loop.measures, pipeline: pipeline, quota: quota,
        strangers: strangers
      ) { [weak self] session in self?.closed(session) }
      state.sessions[session.serial] = session
      return (session, nil)
    }
    guard let session else {
      // The socket closes with its last reference, here.
      guard let refusal else { return }
      return strangers.notice(
        "connection refused",
        metadata: ["peer": "\(socket.peerAddress)", "reason": "\(refusal.rawValue)"])
    }
    session.loop.execute {
      session.accept(
        socket, tls: credentials.context, configuration: self.configuration.connection)
    }
  }

  private func closed(_ session: ConnectionSession) {
    let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      if state.sessions.removeValue(forKey: session.serial) != nil {
        state.limits.close(session.network)
      }
      guard state.sessions.isEmpty else { return [] }
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  // MARK: Certificates

  /// Reads the certificate, the key, the authorities and the revocation list anew, changed or not.
  ///
  /// New connections get them. Connections that are open stay, unless their client's certificate is
  /// not accepted any more: with a revoked one they are closed, else they may finish their calls.
  /// Where the files cannot be used those before stay in force, and the log says so.
  public func reloadCertificates() { reload(always: true) }

  /// Looks at the files now and then; links are followed, so a mounted secret that is swapped is
  /// seen too.
  private func watchFiles() -> Task<Void, Never> {
    let interval = configuration.certificateCheckInterval
    return Task { [weak self] in
      while (try? await Task.sleep(for: interval)) != nil { self?.reload(always: false) }
    }
  }

  private func reload(always: Bool) {
    guard let credentials = state.withLock({ $0.credentials }) else { return }
    switch credentials.reload(always: always) {
    case .none: break
    case .reloaded(let context):
      log.info("certificates were read anew")
      for session in state.withLock({ Array($0.sessions.values) }) { session.apply(context) }
    case .failed(let error):
      log.error(
        "new certificates cannot be used; those before stay in force",
        metadata: ["reason": "\(error.message)"])
    }
  }

  // MARK: Shutting down

  /// Stops listening, lets every call that was accepted finish, and stops.
  ///
  /// Clients are told to go elsewhere (GOAWAY); calls that they sent before they heard are still
  /// taken. What is not finished after `grace` is cancelled. Without effect on a server that does
  /// not run; a second caller waits with the first.
  public func shutdown(grace: Duration) async {
    let (listeners, sessions, loops) = state.withLock { state in
      let running = state.phase == .running
      if running { state.phase = .draining }
      state.watch?.cancel()
      defer { if running { state.listeners = [] } }
      return (running ? state.listeners : [], Array(state.sessions.values), state.loops)
    }
    for listener in listeners { listener.close() }
    for session in sessions { session.drain() }
    let timer = Task {
      try await Task.sleep(for: grace)
      for session in self.state.withLock({ Array($0.sessions.values) }) { session.close() }
    }
    await allClosed()
    timer.cancel()
    let plainMetrics = state.withLock { state in
      state.phase = .stopped
      defer { state.plainMetrics = nil }
      return state.plainMetrics
    }
    plainMetrics?.close()
    for loop in loops { loop.eventLoop.stop() }
  }

  private func allClosed() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        if !state.sessions.isEmpty { state.waiting.append(continuation) }
        return state.sessions.isEmpty
      }
      if isOver { continuation.resume() }
    }
  }
}
