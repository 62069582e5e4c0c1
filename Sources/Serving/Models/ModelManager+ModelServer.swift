// SPDX-License-Identifier: Apache-2.0
public import Store
import Synchronization

extension ModelManager: ModelServer {
  /// Loads a version; returns when it serves.
  public func load(_ version: ModelVersionRecord) async throws {
    try await loadVersion(version)
  }

  /// Loads a version anew beside the one that serves, which hands over to it.
  public func replace(_ version: ModelVersionRecord) async throws {
    try await replaceVersion(version)
  }

  /// Unloads a version after the requests in flight.
  public func unload(model: QualifiedName, version: Int64) async throws {
    await unloadVersion(of: model, version)
  }

  /// Whether a version is served.
  public func status(of model: QualifiedName, version: Int64) -> ServingStatus {
    state.withLock { state in
      state.models[model.team.description]?[model.name.description]?.versions[version]?.status
        ?? ServingStatus(.unloaded)
    }
  }

  /// Has requests that name an alias, or no version, follow the aliases as they are now.
  public func aliasesChanged(of model: QualifiedName, to aliases: [ResourceName: Int64]) {
    setAliases(
      Dictionary(uniqueKeysWithValues: aliases.map { ($0.key.description, $0.value) }), of: model)
  }
}
