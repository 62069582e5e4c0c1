// SPDX-License-Identifier: Apache-2.0
public import FoundationEssentials
public import Logging
public import ModelPlugins
public import RPCServer
public import Store

/// The control plane: data sets, training jobs, the registry of models, plugins.
///
/// Order at the start of a server: `loadPlugins`, then load the store's deployments, `register`,
/// start listening, `startJobs`. At its end: stop listening, `shutdown`.
public final class ControlPlane: Sendable {
  let datasets: DataSetService
  let jobService: JobService
  let environments: EnvironmentService
  let models: ModelService
  let plugins: PluginService
  private let jobs: JobManager
  private let discovery: PluginDiscovery
  private let pluginDirectory: String

  /// Connects the parts; does nothing yet.
  ///
  /// - Parameters:
  ///   - plugins: with the built-in ones registered.
  ///   - server: what loads and serves versions.
  public convenience init(
    configuration: LifecycleConfiguration, store: Store, plugins: PluginRegistry,
    server: any ModelServer, log: Logger, now: @escaping @Sendable () -> Date = { Date() }
  ) {
    self.init(
      configuration: configuration, store: store, plugins: plugins, server: server,
      launcher: ProcessLauncher(), log: log, now: now)
  }

  init(
    configuration: LifecycleConfiguration, store: Store, plugins: PluginRegistry,
    server: any ModelServer, launcher: any WorkerLauncher, log: Logger,
    now: @escaping @Sendable () -> Date
  ) {
    let publisher = VersionPublisher(store: store, plugins: plugins, now: now)
    let hub = EnvironmentHub(log: log)
    jobs = JobManager(
      configuration: configuration, store: store, launcher: launcher, publisher: publisher,
      environments: hub, now: now, log: log)
    datasets = DataSetService(configuration: configuration, store: store, now: now, log: log)
    jobService = JobService(
      configuration: configuration, store: store, plugins: plugins, jobs: jobs,
      publisher: publisher, now: now)
    environments = EnvironmentService(jobs: jobService, hub: hub)
    models = ModelService(
      store: store, plugins: plugins, publisher: publisher, server: server,
      now: now, log: log)
    let admission = PluginAdmission(
      trustedKeys: configuration.trustedPluginKeys,
      allowsUnsigned: configuration.allowsUnsignedPlugins, plugins: plugins, log: log)
    discovery = PluginDiscovery(
      store: store, admission: admission, maxByteCount: configuration.maxPluginByteCount,
      now: now, log: log)
    pluginDirectory = configuration.pluginDirectory
    self.plugins = PluginService(
      configuration: configuration, store: store, plugins: plugins, admission: admission,
      mover: PluginMover(store: store, plugins: plugins, server: server, log: log), now: now,
      log: log)
  }

  /// Loads the plugins that were registered before, and those of the plugin directory.
  ///
  /// One that fails is missing, and in the log.
  ///
  /// - Throws: what the store throws; `PluginError.notFound` when the directory is not there.
  public func loadPlugins() throws {
    try plugins.loadRegistered()
    if !pluginDirectory.isEmpty { try discovery.run(directory: pluginDirectory) }
  }

  /// Adds the services `massif.v1.DataSets`, `Jobs`, `Environments`, `Models` and `Plugins`.
  public func register(in router: inout Router) {
    datasets.register(in: &router)
    jobService.register(in: &router)
    environments.register(in: &router)
    models.register(in: &router)
    plugins.register(in: &router)
  }

  /// Takes up the jobs that an earlier server left, and starts workers.
  ///
  /// - Throws: what the store throws.
  public func startJobs() throws {
    try jobs.recover()
  }

  /// Leaves all workers; their jobs go on at the next start, after their last checkpoint.
  ///
  /// - Parameter grace: how long workers may take to end before they are killed.
  public func shutdown(grace: Duration) async {
    await jobs.shutdown(grace: grace)
  }
}
