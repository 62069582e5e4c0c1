// SPDX-License-Identifier: Apache-2.0
import Logging
import RPCServer
import RPCTransport
import TestSupport

/// A server on a free port of loopback, with real TLS, and clients for it.
final class LoopbackServer: Sendable {
  static let trustDomain = "massif.test"
  static let policy = TeamAccessPolicy(trustDomain: trustDomain, administratorTeams: ["admin"])

  let authority: TestAuthority
  let server: RPCServer
  let address: SocketAddress
  /// Every call that the server has ended.
  let ended: Recorder<EndedCall>
  /// Every line that the server has logged.
  let log: Recorder<String>
  let clientLoop: EventLoop
  let unixSocketPath: String?

  struct EndedCall: Sendable, Equatable {
    var method: String
    var code: Status.Code
  }

  private init(
    _ authority: TestAuthority, _ router: Router, _ access: any AccessPolicy, _ quota: QuotaLedger,
    _ configure: (inout ServerConfiguration) -> Void
  ) async throws {
    self.authority = authority
    var configuration = ServerConfiguration(tls: try authority.server())
    configuration.port = 0
    configuration.eventLoopCount = 2
    configure(&configuration)
    unixSocketPath = configuration.unixSocketPath
    let (ended, log) = (Recorder<EndedCall>(), Recorder<String>())
    (self.ended, self.log) = (ended, log)
    clientLoop = try EventLoop(name: "test-client")
    server = RPCServer(
      configuration: configuration, router: router, access: access, quota: quota,
      interceptors: [EndRecorder(ended: ended)],
      log: Logger(label: "test") { _ in RecordingLogHandler(lines: log) })
    address = try await server.start()
  }

  /// Runs `body` with a server, within bounded time, and shuts it down.
  static func run(
    _ router: Router, authority: TestAuthority? = nil, access: any AccessPolicy = policy,
    quota: QuotaLedger = QuotaLedger(),
    configure: @Sendable (inout ServerConfiguration) -> Void = { _ in },
    _ body: @escaping @Sendable (LoopbackServer) async throws -> Void
  ) async throws {
    let fixture = try await LoopbackServer(
      authority ?? TestAuthority(), router, access, quota, configure)
    let result: Result<Void, any Error>
    do { result = .success(try await within(.seconds(60)) { try await body(fixture) }) } catch {
      result = .failure(error)
    }
    await fixture.server.shutdown(grace: .zero)
    fixture.clientLoop.stop()
    try result.get()
  }

  /// Connects as a member of a team.
  func connect(team: String = "vision", name: String = "alice") async throws -> ClientConnection {
    try await connect(authority.client(team: team, name: name))
  }

  /// Connects with these files.
  func connect(_ tls: TLSConfiguration) async throws -> ClientConnection {
    try await ClientConnection.connect(
      host: "127.0.0.1", port: address.port, tls: try TLSContext.client(tls), loop: clientLoop)
  }
}

/// Tells the test which calls have ended.
private struct EndRecorder: CallInterceptor {
  let ended: Recorder<LoopbackServer.EndedCall>

  func begin(_ call: Call) throws(RPCError) {}

  func end(_ call: Call, status: Status) {
    ended.record(.init(method: String(call.method.name.method), code: status.code))
  }
}

/// Keeps what is logged, one string a line.
struct RecordingLogHandler: LogHandler {
  let lines: Recorder<String>
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.debug

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }
    let text = fields.map { " \($0.key)=\($0.value)" }.joined()
    lines.record("\(event.level) \(event.message)\(text)")
  }
}

extension ClientConnection {
  /// Makes a unary call with text and returns the answer's.
  func echo(
    _ path: String, _ text: String = "hello", metadata: Metadata = Metadata(),
    timeout: Duration? = nil
  ) async throws(CallError) -> String {
    let head = CallHead(path: path, metadata: metadata, timeout: timeout)
    return try await unary(head, OutgoingMessage(text.utf8)).message.text
  }

  /// Makes a unary call that is to fail and returns how it did.
  func failure(
    _ path: String, _ text: String = "hello", metadata: Metadata = Metadata(),
    timeout: Duration? = nil
  ) async -> CallOutcome {
    do {
      let text = try await echo(path, text, metadata: metadata, timeout: timeout)
      return CallOutcome(status: Status(.ok, text))
    } catch {
      return error.outcome
    }
  }
}

extension ReceivedMessage {
  /// The message as text.
  var text: String { String(decoding: bytes, as: UTF8.self) }
}
