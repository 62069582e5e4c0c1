// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import RPCServer
import Store
import Synchronization

/// Who asks, and under which rules.
struct Caller: Sendable {
  let principal: Principal
  let access: any AccessPolicy

  /// For what this caller makes now.
  func audit() -> AuditRecord {
    AuditRecord(created: Date(), createdBy: principal.spiffeID)
  }
}

/// A version as lists show it.
struct VersionListing: Sendable {
  let model: QualifiedName
  let version: Int64
  let status: ServingStatus
  /// Nil when the version is not ready.
  let served: ServedVersion?
}

extension ModelManager {
  /// Finds the version that a request is for.
  ///
  /// The permission on the model is checked first: what a caller may not know of does not exist.
  ///
  /// - Throws: `.invalidArgument` for a name that cannot be one; `.notFound`; `.permissionDenied`;
  ///   `.unavailable` while it is loading or unloading; `.failedPrecondition` when loading failed.
  func version(
    named name: String, version: String, for caller: Caller, _ permission: Permission
  ) throws(ServingError) -> ServedVersion {
    let (team, model) = try Self.parts(of: name, caller)
    try Self.authorize(caller, permission, team: team, model: model)
    enum Found {
      case served(ServedVersion)
      case slot(ServingStatus, QualifiedName, Int64)
      case missing(isKnown: Bool)
    }
    let found = state.withLock { state -> Found in
      guard let entry = state.models[team]?[model] else { return .missing(isKnown: false) }
      if version.isEmpty, let preferred = entry.preferred { return .served(preferred) }
      guard let number = entry.version(VersionRequest(version)),
        let slot = entry.versions[number]
      else { return .missing(isKnown: true) }
      if case .ready(let served) = slot { return .served(served) }
      return .slot(slot.status, entry.name, number)
    }
    switch found {
    case .served(let served): return served
    case .missing(isKnown: false):
      throw .unknownModel(name)
    case .missing(isKnown: true):
      throw Self.unknownVersion(version, of: name)
    case .slot(let status, let model, let number):
      switch status.state {
      case .loading: throw .loading(model, number)
      case .quiescing: throw .quiescing(model, number)
      case .failed, .ready, .unloaded:
        throw ServingError(
          .failedPrecondition, "\(model) version \(number) failed to load: \(status.reason)")
      }
    }
  }

  private static func unknownVersion(_ version: String, of name: String) -> ServingError {
    switch VersionRequest(version) {
    case .unspecified: .unknownModel(name)
    case .number:
      ServingError(
        .notFound, "version \(version) of model \(name) does not exist or is not deployed",
        model: name)
    case .alias:
      ServingError(
        field: "model_version",
        "expected a positive number or an alias of model \(name), came \(version)")
    }
  }

  /// All versions that are here and that the caller may read, by model and version.
  func listing(for caller: Caller) -> [VersionListing] {
    let all = state.withLock { state in
      state.models.values.flatMap(\.values).flatMap { entry in
        entry.versions.map { version, slot in
          var served: ServedVersion?
          if case .ready(let ready) = slot { served = ready }
          return VersionListing(
            model: entry.name, version: version, status: slot.status, served: served)
        }
      }
    }
    return all.filter {
      caller.access.authorize(
        caller.principal, .read,
        on: Resource(
          kind: "model", team: $0.model.team.description, name: $0.model.name.description))
        == .allow
    }.sorted { ($0.model, $0.version) < ($1.model, $1.version) }
  }

  /// Every version that is ready, by model and version.
  func readyVersionsOfAll() -> [ServedVersion] {
    let all = state.withLock { state in
      state.models.values.flatMap(\.values).flatMap { entry in
        entry.versions.values.compactMap { slot -> ServedVersion? in
          if case .ready(let served) = slot { served } else { nil }
        }
      }
    }
    return all.sorted { ($0.model, $0.version) < ($1.model, $1.version) }
  }

  /// The versions of one model that are here, ready or not.
  func versions(of model: QualifiedName) -> [Int64] {
    state.withLock { state in
      let entry = state.models[model.team.description]?[model.name.description]
      return (entry?.versions ?? [:]).keys.sorted()
    }
  }

  /// The versions of one model that are ready, in ascending order.
  func readyVersions(of model: QualifiedName) -> [Int64] {
    state.withLock { state in
      let entry = state.models[model.team.description]?[model.name.description]
      return (entry?.versions ?? [:]).filter(\.value.isReady).keys.sorted()
    }
  }

  /// Splits `[team/]model`; without a team it is the caller's own.
  static func parts(
    of name: String, _ caller: Caller
  ) throws(ServingError) -> (team: String, model: String) {
    guard let slash = name.utf8.firstIndex(of: UInt8(ascii: "/")) else {
      guard name.utf8.count <= ResourceName.maxByteCount else { throw .badName() }
      return (caller.principal.team, name)
    }
    let team = name[..<slash]
    let model = name[name.utf8.index(after: slash)...]
    guard ResourceName(team) != nil, ResourceName(model) != nil else { throw .badName() }
    return (String(team), String(model))
  }

  static func authorize(
    _ caller: Caller, _ permission: Permission, team: String, model: String
  ) throws(ServingError) {
    let resource = Resource(kind: "model", team: team, name: model)
    switch caller.access.authorize(caller.principal, permission, on: resource) {
    case .allow: return
    case .deny:
      throw ServingError(
        .permissionDenied, "\(caller.principal) may not \(permission) model \(team)/\(model)",
        model: "\(team)/\(model)")
    case .conceal:
      throw .unknownModel(team == caller.principal.team ? model : "\(team)/\(model)")
    }
  }
}

extension ServingError {
  static func unknownModel(_ name: String) -> ServingError {
    ServingError(.notFound, "model \(name) does not exist or is not deployed", model: name)
  }

  static func badName() -> ServingError {
    ServingError(
      field: "model_name",
      "expected [team/]model, each of 1 to \(ResourceName.maxByteCount) letters, digits, '.', '_'"
        + " and '-' with a letter or digit first")
  }
}
