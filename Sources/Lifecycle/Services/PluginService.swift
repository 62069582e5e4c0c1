// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Logging
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf

/// `massif.v1.Plugins`: register, list, describe, move, retire.
struct PluginService: Sendable {
  let configuration: LifecycleConfiguration
  let store: Store
  let plugins: PluginRegistry
  let admission: PluginAdmission
  let mover: PluginMover
  let now: @Sendable () -> Date
  let log: Logger

  private static let everything = Resource(kind: "plugin", team: nil, name: "*")

  /// Adds the service's methods.
  func register(in router: inout Router) {
    router.register(
      clientStreaming: "/massif.v1.Plugins/RegisterPlugin", requires: .administer
    ) { (requests, context) in
      try await register(requests, context)
    }
    router.register("/massif.v1.Plugins/MovePlugin", requires: .administer) {
      try await move($0, $1)
    }
    router.register("/massif.v1.Plugins/RetirePlugin", requires: .administer) {
      try await retire($0, $1)
    }
    router.register("/massif.v1.Plugins/ListPlugins", requires: .read) { try await list($0, $1) }
    router.register("/massif.v1.Plugins/DescribePlugin", requires: .read) {
      try await describe($0, $1)
    }
  }

  /// Loads what was registered before, in order.
  ///
  /// A plugin that fails is missing, and in the log.
  func loadRegistered() throws {
    for record in try store.pluginRecords() {
      do {
        guard let isolation = PluginIsolation(rawValue: record.isolation) else {
          throw StoreError(.dataLoss, "its record has an unknown isolation")
        }
        let signed = try admission.check(
          manifest: (record.signedManifest ?? "").utf8, digest: record.digest)
        _ = try admission.load(
          path: store.plugins.path(of: record.digest), digest: record.digest, signed: signed,
          isolation: isolation)
      } catch {
        log.error(
          "plugin \(record.name) \(record.version) is not loaded: \(error)",
          metadata: ["audit": "plugin.refused", "digest": "\(record.digest)"])
      }
    }
  }

  /// Takes a shared object in, loads it and remembers it.
  func register<Requests: AsyncSequence>(
    _ requests: Requests, _ context: CallContext
  ) async throws -> Massif_V1_Plugin where Requests.Element == Massif_V1_RegisterPluginRequest {
    try context.require(.administer, on: Self.everything)
    var iterator = requests.makeAsyncIterator()
    guard case .header(let header) = try await iterator.next()?.part else {
      throw UploadHeader.missing
    }
    let upload = try UploadHeader(
      byteCount: header.byteCount, sha256: header.sha256, limit: configuration.maxPluginByteCount)
    do {
      let isolation = try PluginIsolation(header.isolation)
      let signed = try admission.check(manifest: header.signedManifest, digest: upload.digest)
      let writer = try store.plugins.makeWriter(
        expecting: upload.digest, byteCount: upload.byteCount)
      while let request = try await iterator.next() {
        guard case .chunk(let chunk) = request.part else { throw UploadHeader.repeated }
        try chunk.withUnsafeBytes { try writer.append($0) }
      }
      return try await offload { [self] in
        try writer.verify()
        try writer.commit()
        let plugin = try load(upload.digest, signed, isolation)
        let name = try VersionPublisher.name(of: plugin)
        do {
          try mover.checkConfigurations(mover.keptCases(of: name) + header.golden, on: plugin)
        } catch {
          try forget(upload.digest)
          throw error
        }
        try mover.keep(header.golden, of: name)
        let record = try store.insert(
          PluginRecord(
            name: name, version: plugin.version,
            digest: upload.digest, byteCount: upload.byteCount, isolation: isolation.rawValue,
            signedManifest: signed?.text,
            audit: AuditRecord(created: now(), createdBy: context.principal.spiffeID)))
        log.notice(
          "plugin \(plugin.name) \(plugin.version) registered by \(context.principal)",
          metadata: [
            "audit": "plugin.registered", "digest": "\(upload.digest)",
            "isolation": "\(isolation.rawValue)", "key": "\(signed?.keyID ?? "none")",
          ])
        return Self.message(plugin, record)
      }
    } catch {
      let refusal = RPCError(translating: error)
      log.warning(
        "a plugin of \(context.principal) was refused: \(refusal.message)",
        metadata: ["audit": "plugin.refused", "digest": "\(upload.digest)"])
      throw refusal
    }
  }

  /// Has one build serve what the others of its name do.
  func move(
    _ request: Massif_V1_MovePluginRequest, _ context: CallContext
  ) async throws -> Massif_V1_MovePluginResponse {
    try context.require(.administer, on: Self.everything)
    let target = try build(request.name, request.digest, context)
    let records = try recordsByDigest()
    do {
      let moved = try await mover.move(to: target, request.golden)
      try mover.keep(request.golden, of: VersionPublisher.name(of: target))
      log.notice(
        "\(moved.count) versions moved to plugin \(target.name) \(target.version)",
        metadata: [
          "audit": "plugin.moved", "digest": "\(target.digest)",
          "principal": "\(context.principal)",
        ])
      return .with { response in
        response.plugin = Self.message(target, records[target.digest])
        response.moved = moved.map { move in
          .with {
            $0.model = move.record.model.description
            $0.version = move.record.version
            $0.fromDigest = move.record.build?.hexadecimal ?? ""
          }
        }
      }
    } catch {
      let failure = RPCError(translating: error)
      log.warning(
        "nothing was moved to plugin \(target.name) \(target.version): \(failure.message)",
        metadata: ["audit": "plugin.rolled-back", "digest": "\(target.digest)"])
      throw failure
    }
  }

  /// Forgets a build that nothing uses.
  func retire(
    _ request: Massif_V1_RetirePluginRequest, _ context: CallContext
  ) async throws -> Massif_V1_Plugin {
    try context.require(.administer, on: Self.everything)
    if request.digest.isEmpty, let name = ResourceName(request.name) {
      let count = plugins.builds.count { $0.name == name.description }
      guard count <= 1 else {
        throw RPCError.invalidArgument(
          "digest", "\(name) has \(count) builds; say which, `massif plugins list` shows them")
      }
    }
    let plugin = try build(request.name, request.digest, context)
    guard let digest = Digest(hexadecimal: plugin.digest) else {
      throw RPCError(.failedPrecondition, "\(plugin.name) is built in and cannot be retired")
    }
    let message = Self.message(plugin, try recordsByDigest()[plugin.digest])
    return try await offload { [self] in
      // Nothing new is made of it from here on, so that the answer stays true.
      plugins.retire(digest: plugin.digest)
      let users = try users(of: digest)
      guard users.isEmpty else {
        plugins.restore(plugin)
        throw RPCError(
          .failedPrecondition,
          "plugin \(plugin.name) \(plugin.version) is used by \(users.prefix(5).joined(separator: ", "))"
            + "\(users.count > 5 ? " and \(users.count - 5) more" : ""); undeploy them, or move them"
            + " with `massif plugins move \(plugin.name)`")
      }
      try store.removePlugin(digest)
      try store.plugins.remove(digest)
      log.notice(
        "plugin \(plugin.name) \(plugin.version) retired by \(context.principal)",
        metadata: ["audit": "plugin.retired", "digest": "\(digest)"])
      return message
    }
  }

  /// The deployed versions and the jobs that need a build.
  private func users(of digest: Digest) throws -> [String] {
    var users: [String] = []
    for deployment in try store.deployments() {
      let record = try store.version(deployment.version, of: deployment.model)
      if record?.build == digest {
        users.append("\(deployment.model) version \(deployment.version)")
      }
    }
    for job in try store.unendedJobs() where job.training.pluginDigest == digest {
      users.append("job \(job.id)")
    }
    return users
  }

  /// The build of that name whose digest begins so; the newest for an empty text.
  private func build(
    _ text: String, _ digest: String, _ context: CallContext
  ) throws -> ModelPlugin {
    let name = try context.name(text, field: "name").description
    let builds = plugins.builds.filter { $0.name == name && $0.digest.hasPrefix(digest) }
    guard let newest = builds.last else {
      throw RPCError.notFound(
        Resource(kind: "plugin", team: nil, name: digest.isEmpty ? name : "\(name) \(digest)"))
    }
    guard digest.isEmpty || builds.count == 1 else {
      throw RPCError.invalidArgument("digest", "\(builds.count) builds of \(name) begin so")
    }
    return newest
  }

  /// Every build of each name, by name, the newest of a name last.
  func list(
    _ request: Massif_V1_ListPluginsRequest, _ context: CallContext
  ) async throws -> Massif_V1_ListPluginsResponse {
    try context.require(.read, on: Self.everything)
    let paging = try Paging(request.page)
    let records = try recordsByDigest()
    let builds = plugins.builds
    var rest = builds[...]
    if !paging.token.isEmpty {
      // A token is a build: what comes after it is the next page.
      guard let last = builds.firstIndex(where: { Self.token($0) == paging.token }) else {
        throw Paging.invalidToken
      }
      rest = builds[(last + 1)...]
    }
    rest = rest.prefix(paging.size + 1)
    let page = try paging.page(
      Array(rest), item: { Self.message($0, records[$0.digest]) }, token: { Self.token($0) })
    var response = Massif_V1_ListPluginsResponse()
    response.plugins = page.items
    response.nextPageToken = page.nextToken
    return response
  }

  /// One plugin, with its configuration's schema.
  func describe(
    _ request: Massif_V1_DescribePluginRequest, _ context: CallContext
  ) async throws -> Massif_V1_Plugin {
    let name = try context.name(request.name, field: "name")
    let resource = Resource(kind: "plugin", team: nil, name: name.description)
    try context.require(.read, on: resource)
    guard let plugin = plugins.plugin(named: name.description) else {
      throw RPCError.notFound(resource)
    }
    var message = Self.message(plugin, try recordsByDigest()[plugin.digest])
    message.configurationSchema = plugin.configurationSchema
    return message
  }

  /// Loads a file of the store; one that is no plugin does not stay.
  private func load(
    _ digest: Digest, _ signed: SignedPluginManifest?, _ isolation: PluginIsolation
  ) throws -> ModelPlugin {
    do {
      return try admission.load(
        path: store.plugins.path(of: digest), digest: digest, signed: signed,
        isolation: isolation)
    } catch {
      try forget(digest)
      throw RPCError(translating: error, field: "chunk")
    }
  }

  /// Takes back a build that turned out not to be one; the file of one that is registered already is
  /// not this call's to remove.
  private func forget(_ digest: Digest) throws {
    guard try store.pluginRecords().allSatisfy({ $0.digest != digest }) else { return }
    plugins.retire(digest: digest.hexadecimal)
    try store.plugins.remove(digest)
  }

  private static func token(_ plugin: ModelPlugin) -> String { "\(plugin.name)/\(plugin.digest)" }

  private func recordsByDigest() throws -> [String: PluginRecord] {
    Dictionary(
      try store.pluginRecords().map { ($0.digest.hexadecimal, $0) },
      uniquingKeysWith: { first, _ in first })
  }

  private static func message(_ plugin: ModelPlugin, _ record: PluginRecord?) -> Massif_V1_Plugin {
    var message = Massif_V1_Plugin()
    message.name = plugin.name
    message.version = plugin.version
    message.digest = plugin.digest
    message.builtIn = plugin.isBuiltIn
    message.capabilities = plugin.capabilities.map(\.rawValue).sorted()
    message.abiVersion = plugin.abiVersion
    message.isolation = Massif_V1_PluginIsolation(plugin.isolation)
    message.sandbox = plugin.sandbox
    if let record {
      message.audit = Massif_V1_AuditStamp(record.audit)
      message.byteCount = UInt64(record.byteCount)
      let signed = try? SignedPluginManifest(parsing: (record.signedManifest ?? "").utf8)
      message.signedBy = signed?.keyID ?? ""
    }
    return message
  }
}

extension PluginIsolation {
  /// What a request says; in process when it says nothing.
  init(_ isolation: Massif_V1_PluginIsolation) throws(RPCError) {
    switch isolation {
    case .unspecified, .inProcess: self = .inProcess
    case .isolated: self = .isolated
    case .UNRECOGNIZED(let number):
      throw .invalidArgument("header.isolation", "expected IN_PROCESS or ISOLATED, came \(number)")
    }
  }
}

extension Massif_V1_PluginIsolation {
  init(_ isolation: PluginIsolation) {
    switch isolation {
    case .inProcess: self = .inProcess
    case .isolated: self = .isolated
    }
  }
}
