// SPDX-License-Identifier: Apache-2.0
import Dispatch
import RPCTransport
public import Store
import Synchronization

/// The loaded versions of this server: loads and unloads them, finds the one a request is for.
///
/// A version is loading, ready, quiescing or failed; an unloaded one is not here. Loading and
/// unloading of one version follow each other, those of different versions do not wait for each
/// other. Thread-safe; finding a version takes one short lock.
public final class ModelManager: Sendable {
  /// Where a version stands.
  enum Slot {
    case loading(Task<Void, any Error>)
    case ready(ServedVersion)
    case quiescing(Task<Void, Never>)
    case failed(ServingError)

    var isReady: Bool {
      if case .ready = self { return true }
      return false
    }

    var status: ServingStatus {
      switch self {
      case .loading: ServingStatus(.loading)
      case .ready: ServingStatus(.ready)
      case .quiescing: ServingStatus(.quiescing)
      case .failed(let error): ServingStatus(.failed, reason: error.message)
      }
    }
  }

  struct Entry {
    let name: QualifiedName
    var versions: [Int64: Slot] = [:]
    var aliases: [String: Int64] = [:]
    /// What a request without a version reaches, if it is ready.
    var preferred: ServedVersion?

    func version(_ request: VersionRequest) -> Int64? {
      request.version(in: versions.mapValues(\.isReady), aliases: aliases)
    }
  }

  struct State {
    /// By team, by name.
    var models: [String: [String: Entry]] = [:]
    var isDraining = false
  }

  /// Loads and unloads of one model go one after the other.
  public let deployments = KeyedQueue<QualifiedName>()
  let state = Mutex(State())
  let changes = ChangeBroadcast()
  /// Counts the changes to what a name leads to.
  private let generationCounter = Atomic<UInt64>(0)
  private let configuration: ServingConfiguration
  private let loader: any ModelLoader
  private let executors: ExecutorPools
  private let runner: BatchRunner

  init(
    configuration: ServingConfiguration, loader: any ModelLoader, executors: ExecutorPools,
    pool: BufferPool
  ) {
    self.configuration = configuration
    self.loader = loader
    self.executors = executors
    runner = BatchRunner(pool: pool)
  }

  /// While it stays the same, a name and a version lead to the same served version.
  ///
  /// One atomic load.
  var generation: UInt64 { generationCounter.load(ordering: .acquiring) }

  /// Changes the entry of a model.
  private func change<Result: Sendable>(
    _ model: QualifiedName, _ body: (inout Entry) -> Result
  ) -> Result {
    state.withLock { state in
      defer { generationCounter.wrappingAdd(1, ordering: .releasing) }
      return state.withEntry(model, body)
    }
  }

  /// Whether the server takes requests.
  public var isReady: Bool { state.withLock { !$0.isDraining } }

  /// Says from now on that the server is not ready; requests are still answered.
  public func beginDraining() {
    state.withLock { $0.isDraining = true }
    changes.send()
  }

  // MARK: Loading and unloading

  private enum LoadStep {
    case done
    case join(Task<Void, any Error>)
    case waitForUnload(Task<Void, Never>)
  }

  func loadVersion(_ record: ModelVersionRecord) async throws {
    while true {
      let step = change(record.model) { entry -> LoadStep in
        switch entry.versions[record.version] {
        case .ready: return .done
        case .loading(let task): return .join(task)
        case .quiescing(let task): return .waitForUnload(task)
        case .failed, nil:
          // Its own task: a caller who goes does not leave the version half loaded.
          let task = Task.detached { try await self.performLoad(record) }
          entry.versions[record.version] = .loading(task)
          return .join(task)
        }
      }
      switch step {
      case .done: return
      case .join(let task):
        changes.send()
        return try await task.value
      case .waitForUnload(let task): await task.value
      }
    }
  }

  private func performLoad(_ record: ModelVersionRecord) async throws {
    let outcome: Slot
    var failure: ServingError?
    switch await makeModel(record) {
    case .success(let model):
      outcome = .ready(
        ServedVersion(
          record: record, model: model, policy: configuration.policy(for: model),
          executors: executors.pool(for: model.executorGroup), runner: runner))
      model.onAvailabilityChange { [changes] in changes.send() }
    case .failure(let error):
      outcome = .failed(error)
      failure = error
    }
    change(record.model) { $0.versions[record.version] = outcome }
    changes.send()
    if let failure { throw failure }
  }

  /// Reads files and asks the plugin on a thread that may wait: there are only as many threads for
  /// asynchronous functions as processors.
  private func makeModel(
    _ record: ModelVersionRecord
  ) async -> Result<any InferenceModel, ServingError> {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async { [loader] in
        do throws(ServingError) {
          continuation.resume(returning: .success(try loader.load(record)))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
  }

  /// Lets a model that is loaded anew take over from the one that serves, without a failed request.
  func replaceVersion(_ record: ModelVersionRecord) async throws {
    let serving = change(record.model) { entry -> ServedVersion? in
      guard case .ready(let served) = entry.versions[record.version] else { return nil }
      return served
    }
    guard let serving else { return try await loadVersion(record) }
    let model = try await makeModel(record).get()
    let before = serving.loaded.model
    // Requests that were read for the one are run by the other.
    guard model.inputs == before.inputs, model.outputs == before.outputs,
      model.maxBatchSize == before.maxBatchSize
    else {
      throw ServingError(
        .failedPrecondition,
        "the new build takes or gives other tensors for \(record.model) version"
          + " \(record.version)")
    }
    let successor = ServedVersion(
      record: record, model: model, policy: configuration.policy(for: model),
      executors: executors.pool(for: model.executorGroup), runner: runner,
      counters: serving.loaded.counters)
    model.onAvailabilityChange { [changes] in changes.send() }
    let isSwapped = change(record.model) { entry -> Bool in
      guard case .ready(let current) = entry.versions[record.version], current === serving
      else { return false }
      entry.versions[record.version] = .ready(successor)
      return true
    }
    guard isSwapped else {
      throw ServingError(
        .failedPrecondition,
        "\(record.model) version \(record.version) was unloaded meanwhile")
    }
    changes.send()
    await serving.handOver(to: successor)
  }

  private enum UnloadStep {
    case done
    case waitForLoad(Task<Void, any Error>)
    case join(Task<Void, Never>)
  }

  func unloadVersion(of model: QualifiedName, _ version: Int64) async {
    while true {
      let step = change(model) { entry -> UnloadStep in
        switch entry.versions[version] {
        case nil: return .done
        case .failed:
          entry.versions[version] = nil
          return .done
        case .loading(let task): return .waitForLoad(task)
        case .quiescing(let task): return .join(task)
        case .ready(let served):
          let task = Task.detached {
            await served.quiesce()
            self.change(model) { $0.versions[version] = nil }
            self.changes.send()
          }
          entry.versions[version] = .quiescing(task)
          return .join(task)
        }
      }
      switch step {
      case .done: return
      case .waitForLoad(let task): _ = await task.result
      case .join(let task):
        changes.send()
        return await task.value
      }
    }
  }

  /// Unloads everything, after the requests in flight.
  public func unloadAll() async {
    beginDraining()
    let all = state.withLock { state in
      state.models.values.flatMap { $0.values }.flatMap { entry in
        entry.versions.keys.map { (entry.name, $0) }
      }
    }
    for (model, version) in all { await unloadVersion(of: model, version) }
  }

  func setAliases(_ aliases: [String: Int64], of model: QualifiedName) {
    change(model) { $0.aliases = aliases }
    changes.send()
  }
}

extension ModelManager.State {
  /// Changes the entry of a model, makes it if need be and forgets it when nothing is left of it.
  mutating func withEntry<Result>(
    _ model: QualifiedName, _ change: (inout ModelManager.Entry) -> Result
  ) -> Result {
    let team = model.team.description
    let name = model.name.description
    var entry = models[team]?[name] ?? ModelManager.Entry(name: model)
    let result = change(&entry)
    entry.preferred = nil
    if let version = entry.version(.unspecified), case .ready(let served) = entry.versions[version]
    {
      entry.preferred = served
    }
    models[team, default: [:]][name] =
      entry.versions.isEmpty && entry.aliases.isEmpty ? nil : entry
    if models[team]?.isEmpty == true { models[team] = nil }
    return result
  }
}
