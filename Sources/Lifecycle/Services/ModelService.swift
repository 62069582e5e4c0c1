// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Logging
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Store

/// `massif.v1.Models`: the registry and what of it is deployed.
struct ModelService: Sendable {
  let store: Store
  let plugins: PluginRegistry
  let publisher: VersionPublisher
  let server: any ModelServer
  let now: @Sendable () -> Date
  let log: Logger
  /// One calibration at a time: each uses every thread of the server's pool.
  let calibrations = KeyedQueue<Bool>()

  /// Adds the service's methods.
  func register(in router: inout Router) {
    router.register("/massif.v1.Models/ListModels", requires: .read) { try await list($0, $1) }
    router.register("/massif.v1.Models/GetModel", requires: .read) { try await get($0, $1) }
    router.register("/massif.v1.Models/DeployModel", requires: .write) { try await deploy($0, $1) }
    router.register("/massif.v1.Models/UndeployModel", requires: .write) {
      try await undeploy($0, $1)
    }
    router.register("/massif.v1.Models/SetAlias", requires: .write) { try await setAlias($0, $1) }
    router.register("/massif.v1.Models/DeleteAlias", requires: .write) {
      try await deleteAlias($0, $1)
    }
    router.register("/massif.v1.Models/GetReport", requires: .read) {
      try await getReport($0, $1)
    }
    router.register("/massif.v1.Models/CreateVersion", requires: .write) {
      try await createVersion($0, $1)
    }
    router.register("/massif.v1.Models/QuantizeModel", requires: .write) {
      try await quantize($0, $1)
    }
  }

  /// A team's models, by name.
  func list(
    _ request: Massif_V1_ListModelsRequest, _ context: CallContext
  ) async throws -> Massif_V1_ListModelsResponse {
    let team = try context.team(request.team, field: "team")
    try context.requireList("model", of: team)
    let paging = try Paging(request.page)
    let after = try paging.name()
    let records = try store.models(of: team, after: after, limit: paging.size + 1)
    let page = try paging.page(
      records, item: { message($0) }, token: { $0.name.name.description })
    var response = Massif_V1_ListModelsResponse()
    response.models = page.items
    response.nextPageToken = page.nextToken
    return response
  }

  /// One model.
  func get(
    _ request: Massif_V1_GetModelRequest, _ context: CallContext
  ) async throws -> Massif_V1_Model {
    try model(try find(request.name, .read, context))
  }

  /// Loads a version, now and after every restart; moves aliases to it when it serves.
  func deploy(
    _ request: Massif_V1_DeployModelRequest, _ context: CallContext
  ) async throws -> Massif_V1_ModelVersion {
    let name = try find(request.name, .write, context)
    var aliases: [ResourceName] = []
    for (index, alias) in request.aliases.enumerated() {
      aliases.append(try Self.alias(alias, field: "aliases[\(index)]", context))
    }
    let record = try version(request.version, of: name)
    let audit = AuditRecord(created: now(), createdBy: context.principal.spiffeID)
    return try await server.deployments.run(name) { [aliases] in
      try await server.load(record)
      try store.deploy(DeploymentRecord(model: name, version: record.version, audit: audit))
      if !aliases.isEmpty { try store.setAliases(aliases, of: name, to: record.version) }
      try publishAliases(of: name)
      log.info("\(name) version \(record.version) deployed by \(context.principal)")
      return message(record)
    }
  }

  /// Unloads a version, or all of them, after the requests in flight.
  func undeploy(
    _ request: Massif_V1_UndeployModelRequest, _ context: CallContext
  ) async throws -> Massif_V1_ModelVersion {
    let name = try find(request.name, .write, context)
    return try await server.deployments.run(name) {
      let deployed = try store.deployments().filter { $0.model == name }.map(\.version)
      let chosen = request.version == 0 ? deployed : [request.version]
      guard let newest = chosen.max() else {
        throw RPCError(.failedPrecondition, "no version of model \(name) is deployed")
      }
      let record = try version(newest, of: name)
      for version in chosen {
        try store.undeploy(version, of: name)
        try await server.unload(model: name, version: version)
        log.info("\(name) version \(version) undeployed by \(context.principal)")
      }
      return message(record)
    }
  }

  /// Moves an alias to a version that is loaded.
  func setAlias(
    _ request: Massif_V1_SetAliasRequest, _ context: CallContext
  ) async throws -> Massif_V1_Model {
    let name = try find(request.name, .write, context)
    let alias = try Self.alias(request.alias, field: "alias", context)
    let record = try version(request.version, of: name)
    return try await server.deployments.run(name) {
      guard server.status(of: name, version: record.version).state == .ready else {
        throw RPCError(
          .failedPrecondition,
          "version \(record.version) of model \(name) is not loaded; deploy it first")
      }
      try store.setAliases([alias], of: name, to: record.version)
      try publishAliases(of: name)
      return try model(name)
    }
  }

  /// Removes an alias.
  func deleteAlias(
    _ request: Massif_V1_DeleteAliasRequest, _ context: CallContext
  ) async throws -> Massif_V1_Model {
    let name = try find(request.name, .write, context)
    let alias = try Self.alias(request.alias, field: "alias", context)
    return try await server.deployments.run(name) {
      guard try store.removeAlias(alias, of: name) else {
        throw RPCError(.notFound, "model \(name) has no alias \(alias)")
      }
      try publishAliases(of: name)
      return try model(name)
    }
  }

  /// A report of a version: what its plugin says that it learned.
  func getReport(
    _ request: Massif_V1_GetReportRequest, _ context: CallContext
  ) async throws -> Massif_V1_GetReportResponse {
    let name = try find(request.name, .read, context)
    let record = try version(request.version, of: name)
    return try await offload { [store] in
      try ModelReport.read(request.artifact, of: record, in: store)
    }
  }

  /// Makes a version of a plugin's model that needs no training.
  func createVersion(
    _ request: Massif_V1_CreateVersionRequest, _ context: CallContext
  ) async throws -> Massif_V1_ModelVersion {
    let name = try context.qualifiedName(request.name, field: "name")
    try context.require(.write, "model", name)
    let pluginName = try context.name(request.plugin, field: "plugin")
    guard let plugin = plugins.plugin(named: pluginName.description) else {
      throw RPCError.notFound(Resource(kind: "plugin", team: nil, name: pluginName.description))
    }
    guard plugin.capabilities.contains(.inference) else {
      throw RPCError.invalidArgument(
        "plugin", "expected a plugin that serves models; \(pluginName) does not")
    }
    let record = try await offload { [publisher] in
      try publisher.publish(
        name, plugin: plugin, configuration: request.configuration,
        createdBy: context.principal.spiffeID)
    }
    log.info("\(name) version \(record.version) created by \(context.principal)")
    return message(record)
  }

  // MARK: Parts

  /// Tells what serves the model which aliases it has now.
  private func publishAliases(of name: QualifiedName) throws {
    server.aliasesChanged(of: name, to: try store.model(name)?.aliases ?? [:])
  }

  /// The name of a model with which the caller may do this, and which need not exist.
  func find(
    _ text: String, _ permission: Permission, _ context: CallContext
  ) throws -> QualifiedName {
    let name = try context.qualifiedName(text, field: "name")
    try context.require(permission, "model", name)
    return name
  }

  private func model(_ name: QualifiedName) throws -> Massif_V1_Model {
    guard let record = try store.model(name) else { throw RPCError.notFound("model", name) }
    return message(record)
  }

  /// A version; 0 is the newest.
  func version(_ number: Int64, of name: QualifiedName) throws -> ModelVersionRecord {
    guard number >= 0 else {
      throw RPCError.invalidArgument("version", "expected 0 or a version, came \(number)")
    }
    if number > 0, let record = try store.version(number, of: name) { return record }
    guard let newest = try store.newestVersion(of: name) else {
      throw RPCError.notFound("model", name)
    }
    guard number == 0 else {
      throw RPCError(
        .notFound,
        "model \(name) has no version \(number); the newest is \(newest.version)")
    }
    return newest
  }

  /// An alias; one that looks like a version number would be taken for one.
  private static func alias(
    _ text: String, field: String, _ context: CallContext
  ) throws(RPCError) -> ResourceName {
    let alias = try context.name(text, field: field)
    guard !text.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else {
      throw .invalidArgument(field, "expected a name, came a number")
    }
    return alias
  }

  func message(_ record: ModelVersionRecord) -> Massif_V1_ModelVersion {
    Massif_V1_ModelVersion(record, server.status(of: record.model, version: record.version))
  }

  private func message(_ record: ModelRecord) -> Massif_V1_Model {
    var model = Massif_V1_Model()
    model.name = record.name.description
    model.versions = record.versions.map { message($0) }
    for (alias, version) in record.aliases { model.aliases[alias.description] = version }
    return model
  }
}
