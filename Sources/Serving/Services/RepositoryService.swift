// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import FoundationEssentials
import RPCServer
import Store

/// The repository methods of `inference.GRPCInferenceService`, over the store's registry.
struct RepositoryService: Sendable {
  /// The one value of `repository_name` that there is, beside none.
  private static let repositoryName = "massif"
  /// Models of a team that are fetched at a time.
  private static let pageSize = 200
  /// Models that one answer lists; more is for `massif models list`, which has pages.
  private static let maxListedModels = 10_000

  let manager: ModelManager
  let store: Store

  /// Every version of the caller's team and whether it is served.
  func index(
    _ bytes: UnsafeRawBufferPointer, _ caller: Caller
  ) throws(ServingError) -> [UInt8] {
    let (repository, readyOnly) = try DecodedMessage.with(
      bytes, as: "RepositoryIndexRequest", inference__repository_index_request__unpack
    ) { (String(field: $0.repository_name), $0.ready != 0) }
    try check(repository)
    var rows: [(model: QualifiedName, version: Int64)] = []
    if let team = ResourceName(caller.principal.team) {
      try ModelManager.authorize(caller, .read, team: team.description, model: "*")
      var last: ResourceName?
      repeat {
        let page = try fromStore { () throws(StoreError) in
          try store.models(of: team, after: last, limit: Self.pageSize)
        }
        rows += page.flatMap { model in model.versions.map { (model.name, $0.version) } }
        last = page.count == Self.pageSize ? page.last?.name.name : nil
      } while last != nil && rows.count < Self.maxListedModels
    }
    // An administrator also sees what is loaded of other teams.
    let known = Set(rows.map(\.model))
    rows += manager.listing(for: caller).filter { !known.contains($0.model) }
      .map { ($0.model, $0.version) }
    var response = WireWriter()
    for row in rows {
      let status = manager.status(of: row.model, version: row.version)
      guard !readyOnly || status.state == .ready else { continue }
      response.message(1) {
        $0.string(1, row.model.description)
        $0.string(2, String(row.version))
        $0.string(3, status.repositoryState)
        $0.string(4, status.state == .unloaded ? "unloaded" : status.reason)
      }
    }
    return response.bytes
  }

  /// Loads the newest version of a model and keeps it deployed across restarts.
  func load(_ bytes: [UInt8], _ caller: Caller) async throws -> [UInt8] {
    let (repository, name, parameters) = try bytes.withUnsafeBytes { bytes in
      try DecodedMessage.with(
        bytes, as: "RepositoryModelLoadRequest",
        inference__repository_model_load_request__unpack
      ) { ($0.repository_name.text, $0.model_name.text, $0.n_parameters) }
    }
    try check(repository)
    guard parameters == 0 else {
      throw ServingError(
        field: "parameters", "expected none: a version is immutable and brings its configuration")
    }
    let model = try modelName(name, caller)
    guard
      let record = try fromStore({ () throws(StoreError) in try store.model(model) }),
      let version = record.versions.last
    else {
      throw ServingError(.notFound, "model \(name) does not exist")
    }
    let deployment = DeploymentRecord(
      model: model, version: version.version, audit: caller.audit())
    return try await manager.deployments.run(model) { [self] in
      manager.aliasesChanged(of: model, to: record.aliases)
      try await manager.load(version)
      try fromStore { () throws(StoreError) in try store.deploy(deployment) }
      return []
    }
  }

  /// Unloads every version of a model, after its requests in flight, also across restarts.
  func unload(_ bytes: [UInt8], _ caller: Caller) async throws -> [UInt8] {
    let (repository, name) = try bytes.withUnsafeBytes { bytes in
      try DecodedMessage.with(
        bytes, as: "RepositoryModelUnloadRequest",
        inference__repository_model_unload_request__unpack
      ) { ($0.repository_name.text, $0.model_name.text) }
    }
    try check(repository)
    let model = try modelName(name, caller)
    return try await manager.deployments.run(model) { [self] in
      let deployed = try fromStore { () throws(StoreError) in
        try store.deployments()
      }.filter { $0.model == model }.map(\.version)
      let loaded = manager.versions(of: model)
      if deployed.isEmpty, loaded.isEmpty {
        throw ServingError.unknownModel(name)
      }
      // The wish goes first: a crash in between must not bring the model back.
      for version in deployed {
        try fromStore { () throws(StoreError) in try store.undeploy(version, of: model) }
      }
      for version in loaded { try await manager.unload(model: model, version: version) }
      return []
    }
  }

  private func check(_ repository: String) throws(ServingError) {
    guard repository.isEmpty || repository == Self.repositoryName else {
      throw ServingError(
        field: "repository_name", "expected none or \(Self.repositoryName), came \(repository)")
    }
  }

  private func modelName(
    _ name: String, _ caller: Caller
  ) throws(ServingError) -> QualifiedName {
    let (team, model) = try ModelManager.parts(of: name, caller)
    guard let team = ResourceName(team), let model = ResourceName(model) else { throw .badName() }
    try ModelManager.authorize(
      caller, .write, team: team.description, model: model.description)
    return QualifiedName(team: team, name: model)
  }

  private func fromStore<Result>(
    _ body: () throws(StoreError) -> Result
  ) throws(ServingError) -> Result {
    do throws(StoreError) {
      return try body()
    } catch {
      switch error.code {
      case .notFound: throw ServingError(.notFound, error.message, cause: error)
      case .resourceExhausted:
        throw ServingError(.resourceExhausted, error.message, cause: error)
      default: throw ServingError(.internal, error.message, cause: error)
      }
    }
  }
}

extension Optional where Wrapped == UnsafeMutablePointer<CChar> {
  fileprivate var text: String { String(field: self) }
}

extension ServingStatus {
  /// In the words of Triton's repository index.
  fileprivate var repositoryState: String {
    switch state {
    case .ready: "READY"
    case .loading: "LOADING"
    case .quiescing: "UNLOADING"
    case .unloaded, .failed: "UNAVAILABLE"
    }
  }
}
