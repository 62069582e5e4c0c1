// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import Store
import Synchronization

/// Loads nothing and remembers what it was told.
final class FakeModelServer: ModelServer {
  struct Version: Hashable {
    var model: QualifiedName
    var version: Int64
  }

  private struct State {
    var loaded: Set<Version> = []
    var refuses = false
    var replaced: [ModelVersionRecord] = []
    var replacementsLeft = Int.max
    var aliases: [QualifiedName: [ResourceName: Int64]] = [:]
  }

  let deployments = KeyedQueue<QualifiedName>()
  private let state = Mutex(State())

  var loaded: Set<Version> { state.withLock { $0.loaded } }

  /// The aliases that it was last told, by model.
  var aliases: [QualifiedName: [ResourceName: Int64]] { state.withLock { $0.aliases } }

  /// The versions that were loaded anew, oldest first.
  var replaced: [ModelVersionRecord] { state.withLock { $0.replaced } }

  /// Makes every replacement after the next `count` fail, but for that of what was moved.
  func refuseReplacements(after count: Int) {
    state.withLock { $0.replacementsLeft = count }
  }

  /// Makes every later `load` fail.
  func refuse() { state.withLock { $0.refuses = true } }

  func load(_ version: ModelVersionRecord) async throws {
    try state.withLock { state in
      if state.refuses { throw RPCError(.resourceExhausted, "no memory for it") }
      state.loaded.insert(Version(model: version.model, version: version.version))
    }
  }

  func replace(_ version: ModelVersionRecord) async throws {
    try state.withLock { state in
      if state.replacementsLeft == 0 { throw RPCError(.resourceExhausted, "no memory for it") }
      state.replacementsLeft -= 1
      state.replaced.append(version)
    }
  }

  func unload(model: QualifiedName, version: Int64) async throws {
    state.withLock { _ = $0.loaded.remove(Version(model: model, version: version)) }
  }

  func status(of model: QualifiedName, version: Int64) -> ServingStatus {
    let isLoaded = state.withLock { $0.loaded.contains(Version(model: model, version: version)) }
    return ServingStatus(isLoaded ? .ready : .unloaded)
  }

  func aliasesChanged(of model: QualifiedName, to aliases: [ResourceName: Int64]) {
    state.withLock { $0.aliases[model] = aliases }
  }
}
