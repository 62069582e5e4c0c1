// SPDX-License-Identifier: Apache-2.0
import CSandbox
import Glibc
import Synchronization

/// Keeps one isolated plugin's worker running: starts it, starts it again when it has ended, and
/// makes its models in it before it serves.
final class WorkerSupervisor: Sendable {
  /// What a model is made of, kept for the next worker.
  struct Recipe: Sendable {
    var request: MakeModelRequest
    var artifacts: SharedMemory?
    /// What the model was the first time; one that comes back as another does not serve.
    var model: WireModel
  }

  private static let restarting = PluginError(
    .unavailable, "the isolated plugin is being started again", reason: .restarting)

  private struct State {
    /// The worker that serves; nil while none does.
    var serving: IsolatedProcess?
    /// Why none serves.
    var reason = PluginError(.unavailable, "the isolated plugin is starting", reason: .restarting)
    var recipes: [UInt32: Recipe] = [:]
    /// Models that could not be made again.
    var failures: [UInt32: PluginError] = [:]
    var nextModel: UInt32 = 1
    var listeners: [UInt32: @Sendable () -> Void] = [:]
    var isStopped = false
  }

  /// The library, as it was verified: a restart loads the same bytes.
  private let image: PluginImage
  private let request: LoadRequest
  private let launcher: IsolatedWorkerLauncher
  private let configuration: IsolationConfiguration
  private let log: @Sendable (LogLevel, String) -> Void
  private let name = Mutex<String>("")
  private let state = Mutex(State())
  private let stopped = PendingReply<Bool>()
  private let logBudget = LogBudget()

  init(
    image: PluginImage, request: LoadRequest, configuration: IsolationConfiguration,
    log: @escaping @Sendable (LogLevel, String) -> Void
  ) throws(PluginError) {
    self.image = image
    self.request = request
    self.configuration = configuration
    self.log = log
    launcher = try IsolatedWorkerLauncher(configuration)
    name.withLock { $0 = request.label }
  }

  /// Starts the first worker and says what it has loaded.
  ///
  /// - Throws: what keeps the plugin from being loaded; then nothing runs.
  func start() throws(PluginError) -> WirePlugin {
    let first = PendingReply<Result<WirePlugin, PluginError>>()
    guard DetachedThread.start(stackByteCount: 256 << 10, { self.supervise(first) }) else {
      throw PluginError(.resourceExhausted, "no thread for an isolated plugin")
    }
    guard let result = first.wait(timeout: nil) else {
      throw PluginError(.internal, "the isolated plugin's thread ended")
    }
    return try result.get()
  }

  /// Ends the worker for good.
  func stop() {
    let serving = state.withLock { state in
      state.isStopped = true
      return state.serving
    }
    serving?.stop(.stopped)
    stopped.set(true)
  }

  /// The worker that serves.
  ///
  /// - Parameter model: nil when it is for no model.
  /// - Throws: `.unavailable` while none does, and why the model does not.
  func process(for model: UInt32?) throws(PluginError) -> IsolatedProcess {
    try state.withLock { state throws(PluginError) in
      guard let process = state.serving else { throw state.reason }
      guard process.takesCalls else { throw Self.restarting }
      if let model, let failure = state.failures[model] { throw failure }
      return process
    }
  }

  /// Whether calls of a model are answered now.
  func isServing(_ model: UInt32) -> Bool {
    state.withLock { $0.serving?.takesCalls == true && $0.failures[model] == nil }
  }

  /// Has `body` called whenever `isServing` may have changed, until the model is removed.
  func onChange(of model: UInt32, _ body: @escaping @Sendable () -> Void) {
    state.withLock { $0.listeners[model] = body }
  }

  // MARK: Models

  /// Makes a model, in this worker and in those that come after it.
  func makeModel(
    artifacts: [Artifact], configuration: String
  ) throws(PluginError) -> (number: UInt32, model: WireModel) {
    let process = try process(for: nil)
    let number = state.withLock { state in
      defer { state.nextModel += 1 }
      return state.nextModel
    }
    let (ranges, memory) = try Self.share(artifacts)
    let request = MakeModelRequest(
      number: number, configuration: configuration, artifacts: ranges,
      byteCount: memory?.byteCount ?? 0)
    let model = try Self.make(request, memory, in: process)
    let isKept = state.withLock { state in
      guard state.serving === process else { return false }
      state.recipes[number] = Recipe(request: request, artifacts: memory, model: model)
      return true
    }
    guard isKept else { throw process.end?.error ?? WorkerEnd.stopped.error }
    return (number, model)
  }

  func removeModel(_ number: UInt32) {
    let serving = state.withLock { state in
      state.recipes[number] = nil
      state.failures[number] = nil
      state.listeners[number] = nil
      return state.serving
    }
    serving?.destroyModel(number)
  }

  private static func make(
    _ request: MakeModelRequest, _ artifacts: SharedMemory?, in process: IsolatedProcess
  ) throws(PluginError) -> WireModel {
    try WireModel(
      decoding: process.ask(
        .makeModel, request.encoded, descriptors: artifacts.map { [$0.descriptor] } ?? []))
  }

  private static func share(
    _ artifacts: [Artifact]
  ) throws(PluginError) -> ([MakeModelRequest.ArtifactRange], SharedMemory?) {
    var ranges: [MakeModelRequest.ArtifactRange] = []
    var offset = 0
    for artifact in artifacts {
      ranges.append(.init(name: artifact.name, offset: offset, byteCount: artifact.bytes.count))
      offset += SlotLayout.roundUp(artifact.bytes.count, SlotLayout.alignment)
    }
    guard offset > 0 else { return (ranges, nil) }
    let parts = zip(ranges, artifacts).map { (offset: $0.offset, bytes: $1.bytes) }
    return (ranges, try SharedMemory(freezing: parts, byteCount: offset))
  }

  // MARK: The thread that supervises

  private func supervise(_ first: PendingReply<Result<WirePlugin, PluginError>>) {
    var ends = 0
    var expected: WirePlugin?
    while !isStopped {
      let start = ContinuousClock.now
      do throws(PluginError) {
        let (process, plugin) = try startWorker()
        if let expected, plugin != expected {
          process.stop(.stopped)
          throw PluginError(.internal, "the plugin says other things of itself than before")
        }
        let isRestart = expected != nil
        expected = plugin
        name.withLock { $0 = plugin.name }
        serve(process)
        if isRestart { log(.info, "isolated plugin \(plugin.name) serves again") }
        first.set(.success(plugin))
        let end = process.waitForEnd()
        if isStopped { break }
        suspend(end.error)
        log(.error, "isolated plugin \(plugin.name) \(end.description)")
      } catch {
        guard expected != nil else {
          first.set(.failure(Self.refusal(error)))
          return
        }
        suspend(error)
        log(.error, "isolated plugin \(request.label) could not be started again: \(error)")
      }
      let ran = ContinuousClock.now - start
      ends = ran >= configuration.restartPolicy.healthyAfter ? 1 : ends + 1
      let delay = configuration.restartPolicy.delay(afterEnd: ends)
      if delay > .zero { _ = stopped.wait(timeout: delay) }
    }
    suspend(WorkerEnd.stopped.error)
  }

  /// What crashes while it is loaded is not worth another try.
  private static func refusal(_ error: PluginError) -> PluginError {
    guard error.reason == .crashed else { return error }
    return PluginError(
      .failedPrecondition, "\(error.message) while it was loaded", reason: error.reason)
  }

  private var isStopped: Bool { state.withLock { $0.isStopped } }

  /// A worker that has loaded the library and has all the models.
  private func startWorker() throws(PluginError) -> (IsolatedProcess, WirePlugin) {
    let process = try IsolatedProcess(launcher: launcher, configuration: configuration) {
      [weak self] in self?.write($0)
    }
    do throws(PluginError) {
      let plugin = try WirePlugin(
        decoding: process.ask(.load, request.encoded, descriptors: [image.descriptor]))
      try makeModels(in: process)
      return (process, plugin)
    } catch {
      process.stop(.stopped)
      _ = process.waitForEnd()
      throw error
    }
  }

  private func makeModels(in process: IsolatedProcess) throws(PluginError) {
    let recipes = state.withLock { state in
      state.recipes.filter { state.failures[$0.key] == nil }.sorted { $0.key < $1.key }
    }
    for (number, recipe) in recipes {
      do throws(PluginError) {
        let model = try Self.make(recipe.request, recipe.artifacts, in: process)
        guard model == recipe.model else {
          throw PluginError(
            .failedPrecondition, "the model was made again with other tensors than before")
        }
      } catch {
        // The model that the worker dies of, or refuses, does not take the others along again.
        state.withLock { state in
          if state.recipes[number] != nil { state.failures[number] = error }
        }
        if process.end != nil { throw error }
      }
    }
  }

  private func serve(_ process: IsolatedProcess) {
    change { state in
      state.serving = process
      return state.isStopped
    }
    // `stop` may have come before there was anything to stop.
    if isStopped { process.stop(.stopped) }
  }

  private func suspend(_ reason: PluginError) {
    change { state in
      state.serving = nil
      state.reason = PluginError(
        .unavailable, "the isolated plugin is being started again after: \(reason.message)",
        reason: .restarting)
      return true
    }
  }

  private func change(_ body: (inout State) -> Bool) {
    let listeners = state.withLock { state in
      _ = body(&state)
      return Array(state.listeners.values)
    }
    for listener in listeners { listener() }
  }

  private func write(_ line: LogLine) {
    guard logBudget.take() else { return }
    let text = line.text.map { $0.isNewline ? " " : String($0) }.joined()
    log(line.level, "plugin \(name.withLock { $0 }): \(text)")
  }
}

/// How many lines a worker may still write in this second: a log is not a way to fill a disk.
private final class LogBudget: Sendable {
  private static let linesPerSecond = 200
  private let state = Mutex<(second: Int64, left: Int)>((0, 0))

  func take() -> Bool {
    let second = cs_now_nanoseconds() / 1_000_000_000
    return state.withLock { state in
      if state.second != second { state = (second, Self.linesPerSecond) }
      state.left -= 1
      return state.left >= 0
    }
  }
}
