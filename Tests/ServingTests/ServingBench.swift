// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import ModelPlugins
import RPCServer
import RPCTransport
import Runtime
import Store
import Synchronization
import TestSupport

@testable import Serving

/// A data plane over a real store whose models are made by a test, without a transport.
final class ServingBench: Sendable {
  let store: Store
  let serving: Serving
  let log = EventLog()
  private let directory: TemporaryDirectory

  /// What the data plane has logged.
  final class EventLog: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func append(_ line: String) { lines.withLock { $0.append(line) } }
  }

  init(
    _ configuration: ServingConfiguration = ServingConfiguration(),
    make: @escaping @Sendable (ModelVersionRecord) throws(ServingError) -> any InferenceModel = {
      (_) throws(ServingError) in IdentityModel()
    }
  ) throws {
    directory = try TemporaryDirectory()
    store = try Store.open(directory: directory.path)
    serving = Serving(
      configuration: configuration, store: store, loader: TestLoader(make: make),
      log: { [log] level, line in log.append("\(level) \(line)") })
  }

  var models: ModelManager { serving.models }
  var inference: InferenceService {
    InferenceService(manager: models, configuration: ServingConfiguration())
  }
  var repository: RepositoryService { RepositoryService(manager: models, store: store) }
  var health: HealthService { HealthService(manager: models) }
  var handler: InferHandler {
    InferHandler(
      manager: models, decoder: InferRequestDecoder(limits: InferLimits(), pool: BufferPool()))
  }

  static let access = TeamAccessPolicy(trustDomain: "test", administratorTeams: ["admins"])

  static func caller(_ team: String) throws -> Caller {
    Caller(
      principal: try Principal(trustDomain: "test", team: team, name: "app"),
      access: access)
  }

  func caller(_ team: String = "vision") throws -> Caller { try Self.caller(team) }

  static func name(_ text: String) throws -> QualifiedName {
    try QualifiedName(parsing: text, defaultTeam: ResourceName("vision"))
  }

  /// Publishes the next version of a model.
  @discardableResult
  func publish(_ model: String = "digits") throws -> ModelVersionRecord {
    try store.publish(
      store.stageVersion(), as: Self.name(model),
      manifest: ModelManifest(
        plugin: ResourceName(literal: "neural-network"), pluginVersion: "1.2.3",
        pluginDigest: nil, configuration: "{}", inputs: [], outputs: [], artifacts: []),
      audit: AuditRecord(created: Date(timeIntervalSince1970: 0), createdBy: "test"))
  }

  /// Publishes the next version of a model and loads it.
  @discardableResult
  func load(_ model: String = "digits") async throws -> ModelVersionRecord {
    let version = try publish(model)
    try await models.load(version)
    return version
  }

  /// Sends one row to a model.
  func send(
    _ model: String = "digits", version: String = "", as team: String = "vision"
  ) throws -> TestCall {
    var builder = RequestBuilder(model: model)
    builder.writer.string(2, version)
    builder.input()
    builder.raw(16)
    let call = TestCall()
    let caller = try caller(team)
    handler.infer(
      PooledBuffer(copying: builder.writer.bytes), for: call, caller: caller,
      recent: RecentRequests(pool: BufferPool()))
    return call
  }

  func stop() async { await serving.stop() }
}

/// A message with up to two strings, as the control methods take.
func strings(_ first: String = "", _ second: String = "") -> [UInt8] {
  var writer = WireWriter()
  writer.string(1, first)
  writer.string(2, second)
  return writer.bytes
}
