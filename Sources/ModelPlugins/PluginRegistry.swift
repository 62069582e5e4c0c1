// SPDX-License-Identifier: Apache-2.0
public import Runtime
import Synchronization

/// How important a line for the log is.
public enum LogLevel: Int, Sendable, Hashable {
  case debug = 0
  case info = 1
  case warning = 2
  case error = 3
}

/// The plugins of this process, by name.
///
/// Thread-safe.
public final class PluginRegistry: Sendable {
  private struct State {
    var newest: [String: ModelPlugin] = [:]
    var byDigest: [String: ModelPlugin] = [:]
  }

  private let state = Mutex(State())
  /// Held while a library is loaded, so that look-ups never wait for a file.
  private let loading = Mutex(())
  private let workers: WorkerPool
  private let limits: PluginLimits
  private let log: @Sendable (LogLevel, String) -> Void

  /// Makes an empty registry.
  ///
  /// - Parameters:
  ///   - workers: what all plugins compute on.
  ///   - limits: what plugins and their inputs may amount to.
  ///   - log: gets one line at a time, from any thread.
  public init(
    workers: WorkerPool, limits: PluginLimits = PluginLimits(),
    log: @escaping @Sendable (LogLevel, String) -> Void
  ) {
    self.workers = workers
    self.limits = limits
    self.log = log
  }

  /// Registers the plugins that are part of Massif: `neural-network`.
  ///
  /// - Throws: `.alreadyExists` when called twice, `.failedPrecondition` when `MASSIF_FORCE_ISA`
  ///   names an instruction set that this machine does not have.
  public func registerBuiltIns() throws(PluginError) {
    try register(
      NeuralNetworkPlugin.make(
        workers: workers, instructionSet: Self.instructionSet(), limits: limits))
  }

  /// Loads a plugin's library and registers it under the name that it gives.
  ///
  /// A library stays loaded until the process ends. Loading a digest again returns the plugin that
  /// is already there; another digest under a name that is taken becomes that name's plugin, beside
  /// the older one, whose models live on.
  ///
  /// - Parameters:
  ///   - path: of a file that does not change; one path for each digest.
  ///   - digest: SHA-256 of the file in hexadecimal, as computed by the caller.
  /// - Throws: `.invalidArgument` for a file that is no plugin, `.failedPrecondition` for a plugin
  ///   of another ABI version or one that refuses to work here, `.alreadyExists` for the name of a
  ///   built-in plugin. No message holds the path.
  public func load(path: String, digest: String) throws(PluginError) -> ModelPlugin {
    try loading.withLock { _ throws(PluginError) in
      if let known = state.withLock({ $0.byDigest[digest] }) { return known }
      let plugin = try PluginLibrary.load(
        path: path, digest: digest, workers: workers, instructionSet: Self.instructionSet(),
        limits: limits, log: log)
      try register(plugin)
      return plugin
    }
  }

  /// The newest plugin of that name.
  public func plugin(named name: String) -> ModelPlugin? {
    state.withLock { $0.newest[name] }
  }

  /// The plugin of that digest.
  public func plugin(digest: String) -> ModelPlugin? {
    state.withLock { $0.byDigest[digest] }
  }

  /// The newest plugin of each name, sorted by name.
  public var plugins: [ModelPlugin] {
    state.withLock { state in state.newest.values.sorted { $0.name < $1.name } }
  }

  private static func instructionSet() throws(PluginError) -> InstructionSet {
    do throws(RuntimeError) {
      return try InstructionSet.preferred()
    } catch {
      throw PluginError(.failedPrecondition, error.description)
    }
  }

  private func register(_ plugin: ModelPlugin) throws(PluginError) {
    try state.withLock { state throws(PluginError) in
      if let present = state.newest[plugin.name], present.isBuiltIn || plugin.isBuiltIn {
        throw PluginError(
          .alreadyExists,
          "the name \(plugin.name) is that of a built-in plugin; give the plugin another")
      }
      state.newest[plugin.name] = plugin
      if !plugin.digest.isEmpty { state.byDigest[plugin.digest] = plugin }
    }
  }
}
