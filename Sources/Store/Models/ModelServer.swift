// SPDX-License-Identifier: Apache-2.0

/// Whether a version is served.
public enum ServingState: String, Sendable, Hashable, CaseIterable {
  case unloaded = "UNLOADED"
  case loading = "LOADING"
  case ready = "READY"
  /// Answers what it has accepted, accepts no more, then unloads.
  case quiescing = "QUIESCING"
  case failed = "FAILED"
}

/// Whether a version is served, and why not.
public struct ServingStatus: Sendable, Hashable {
  /// The state.
  public var state: ServingState
  /// Why, when it failed; empty otherwise.
  public var reason: String

  /// Makes a status.
  public init(_ state: ServingState, reason: String = "") {
    self.state = state
    self.reason = reason
  }
}

/// What loads and serves versions: implemented by Serving, called by Lifecycle, connected by the
/// composition root.
///
/// Loading and unloading do not change the store's `deployments`: whoever is told to deploy a
/// version writes that down as well.
public protocol ModelServer: Sendable {
  /// Loads a version; returns when it serves.
  ///
  /// Does nothing when it does already.
  func load(_ version: ModelVersionRecord) async throws

  /// Unloads a version after the requests in flight.
  ///
  /// Does nothing when it is not loaded.
  func unload(model: QualifiedName, version: Int64) async throws

  /// Loads a version anew, as its record says now, beside the one that serves: the new one takes
  /// over, the old one goes after its requests in flight, and none of them fails.
  ///
  /// Loads a version that does not serve.
  ///
  /// - Throws: when it cannot be loaded, or takes or gives other tensors; the old one goes on then.
  func replace(_ version: ModelVersionRecord) async throws

  /// What loads, unloads, deploys or replaces versions of one model goes one after the other here,
  /// so that what is written down is what is loaded.
  var deployments: KeyedQueue<QualifiedName> { get }

  /// Whether a version is served.
  func status(of model: QualifiedName, version: Int64) -> ServingStatus

  /// Has requests that name an alias, or no version, follow a model's aliases as they are now.
  ///
  /// Called after every change of them that the store has acknowledged.
  func aliasesChanged(of model: QualifiedName, to aliases: [ResourceName: Int64])
}
