// SPDX-License-Identifier: Apache-2.0
public import Runtime
import Synchronization

/// The plugins of this process, by name.
///
/// Thread-safe.
public final class PluginRegistry: Sendable {
  private struct State {
    /// The builds of each name, the newest last.
    var builds: [String: [ModelPlugin]] = [:]
    var byDigest: [String: ModelPlugin] = [:]
  }

  private struct LoadedBuild: Hashable {
    var digest: String
    var isolation: PluginIsolation
  }

  private let state = Mutex(State())
  /// What has been loaded, retired or not: a library cannot be loaded twice.
  ///
  /// Held while one is, so that look-ups never wait for a file.
  private let loading = Mutex<[LoadedBuild: ModelPlugin]>([:])
  private let workers: WorkerPool
  private let limits: PluginLimits
  private let isolation: IsolationConfiguration
  private let log: @Sendable (LogLevel, String) -> Void

  /// Makes an empty registry.
  ///
  /// - Parameters:
  ///   - workers: what all plugins compute on.
  ///   - limits: what plugins and their inputs may amount to.
  ///   - isolation: how isolated plugins are run.
  ///   - log: gets one line at a time, from any thread.
  public init(
    workers: WorkerPool, limits: PluginLimits = PluginLimits(),
    isolation: IsolationConfiguration = IsolationConfiguration(),
    log: @escaping @Sendable (LogLevel, String) -> Void
  ) {
    self.workers = workers
    self.limits = limits
    self.isolation = isolation
    self.log = log
  }

  /// Registers the plugins that are part of Massif, one for each family of models.
  ///
  /// - Throws: `.alreadyExists` when called twice, `.failedPrecondition` when `MASSIF_FORCE_ISA`
  ///   names an instruction set that this machine does not have.
  public func registerBuiltIns() throws(PluginError) {
    let isa = try Self.instructionSet()
    try register(DQNPlugin.make(workers: workers, instructionSet: isa, limits: limits))
    try register(
      FamilyPlugin<DecisionTreeFamily>.make(
        workers: workers, instructionSet: isa, limits: limits))
    try register(
      FamilyPlugin<GradientBoostingFamily>.make(
        workers: workers, instructionSet: isa, limits: limits))
    try register(
      FamilyPlugin<AssociationRulesFamily>.make(
        workers: workers, instructionSet: isa, limits: limits))
    try register(
      FamilyPlugin<DBSCANFamily>.make(
        workers: workers, instructionSet: isa, limits: limits))
    try register(
      FamilyPlugin<GaussianMixtureFamily>.make(
        workers: workers, instructionSet: isa, limits: limits))
    try register(
      FamilyPlugin<KMeansFamily>.make(
        workers: workers, instructionSet: isa, limits: limits))
    try register(
      FamilyPlugin<LinearRegressionFamily>.make(
        workers: workers, instructionSet: isa, limits: limits))
    try register(
      FamilyPlugin<LogisticRegressionFamily>.make(
        workers: workers, instructionSet: isa, limits: limits))
    try register(
      FamilyPlugin<PrincipalComponentsFamily>.make(
        workers: workers, instructionSet: isa, limits: limits))
    try register(
      NeuralNetworkPlugin.make(workers: workers, instructionSet: isa, limits: limits))
    try register(TabularPlugin.make(.qLearning, limits: limits))
    try register(
      FamilyPlugin<RandomForestFamily>.make(
        workers: workers, instructionSet: isa, limits: limits))
    try register(TabularPlugin.make(.sarsa, limits: limits))
  }

  /// Loads a plugin and registers it under the name that it gives.
  ///
  /// A library stays loaded until the process ends. Loading a build again returns the plugin that is
  /// already there; another build under a name that is taken becomes that name's plugin, beside the
  /// older one, whose models live on.
  ///
  /// Whether the bytes may run is for the caller to have checked.
  ///
  /// - Throws: `.invalidArgument` for what is no plugin, `.failedPrecondition` for a plugin of
  ///   another ABI version or one that refuses to work here, `.alreadyExists` for the name of a
  ///   built-in plugin and for a build that is loaded with another isolation. No message holds a
  ///   path.
  public func load(
    _ image: PluginImage, isolation: PluginIsolation = .inProcess
  ) throws(PluginError) -> ModelPlugin {
    try loading.withLock { loaded throws(PluginError) in
      if let known = state.withLock({ $0.byDigest[image.digest] }) {
        guard known.isolation == isolation else {
          throw PluginError(
            .alreadyExists,
            "this build of \(known.name) is registered as \(known.isolation.rawValue); retire it"
              + " before it is registered as \(isolation.rawValue)")
        }
        return known
      }
      let key = LoadedBuild(digest: image.digest, isolation: isolation)
      if let retired = loaded[key] {
        try register(retired)
        return retired
      }
      let plugin = try open(image, isolation)
      try register(plugin)
      // A worker can be started again; it ends when the last model of a retired build has gone.
      if isolation == .inProcess { loaded[key] = plugin }
      return plugin
    }
  }

  private func open(
    _ image: PluginImage, _ isolation: PluginIsolation
  ) throws(PluginError) -> ModelPlugin {
    switch isolation {
    case .inProcess:
      return try PluginLibrary.load(
        image, workers: workers, instructionSet: Self.instructionSet(), limits: limits, log: log)
    case .isolated:
      return try IsolatedPlugin.load(
        image, threadCount: workers.threadCount, instructionSet: Self.instructionSet(),
        limits: limits, configuration: self.isolation, log: log)
    }
  }

  /// Forgets a build, so that nothing new is made of it; the models that it has made live on.
  ///
  /// The name goes to the newest of its other builds, if there is one.
  public func retire(digest: String) {
    state.withLock { state in
      guard let plugin = state.byDigest.removeValue(forKey: digest) else { return }
      state.builds[plugin.name]?.removeAll { $0 === plugin }
      if state.builds[plugin.name]?.isEmpty == true { state.builds[plugin.name] = nil }
    }
  }

  /// Takes back the retirement of a build, which is its name's newest again.
  public func restore(_ plugin: ModelPlugin) {
    state.withLock { state in
      guard state.byDigest[plugin.digest] == nil else { return }
      state.byDigest[plugin.digest] = plugin
      state.builds[plugin.name, default: []].append(plugin)
    }
  }

  /// The newest plugin of that name.
  public func plugin(named name: String) -> ModelPlugin? {
    state.withLock { $0.builds[name]?.last }
  }

  /// The plugin of that digest.
  public func plugin(digest: String) -> ModelPlugin? {
    state.withLock { $0.byDigest[digest] }
  }

  /// The newest plugin of each name, sorted by name.
  public var plugins: [ModelPlugin] {
    state.withLock { state in
      state.builds.values.compactMap(\.last).sorted { $0.name < $1.name }
    }
  }

  /// Every build of each name, sorted by name, those of one name in the order in which they came.
  public var builds: [ModelPlugin] {
    state.withLock { state in
      state.builds.sorted { $0.key < $1.key }.flatMap(\.value)
    }
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
      if let present = state.builds[plugin.name]?.last, present.isBuiltIn || plugin.isBuiltIn {
        throw PluginError(
          .alreadyExists,
          "the name \(plugin.name) is that of a built-in plugin; give the plugin another")
      }
      state.builds[plugin.name, default: []].append(plugin)
      if !plugin.digest.isEmpty { state.byDigest[plugin.digest] = plugin }
    }
  }
}
