// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Logging
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Store

/// `massif.v1.Plugins`: register, list, describe.
struct PluginService: Sendable {
  let configuration: LifecycleConfiguration
  let store: Store
  let plugins: PluginRegistry
  let admission: PluginAdmission
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
        let record = try store.insert(
          PluginRecord(
            name: VersionPublisher.name(of: plugin), version: plugin.version,
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

  /// The newest plugin of each name, by name.
  func list(
    _ request: Massif_V1_ListPluginsRequest, _ context: CallContext
  ) async throws -> Massif_V1_ListPluginsResponse {
    try context.require(.read, on: Self.everything)
    let paging = try Paging(request.page)
    let records = try recordsByDigest()
    let rest = plugins.plugins.filter { $0.name > paging.token }.prefix(paging.size + 1)
    let page = try paging.page(
      Array(rest), item: { Self.message($0, records[$0.digest]) }, token: { $0.name })
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
      // The file of a build that is registered already is not this call's to remove.
      if try store.pluginRecords().allSatisfy({ $0.digest != digest }) {
        try store.plugins.remove(digest)
      }
      throw RPCError(translating: error, field: "chunk")
    }
  }

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
