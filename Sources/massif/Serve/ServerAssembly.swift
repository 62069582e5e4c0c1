// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Lifecycle
internal import Logging
internal import ModelPlugins
internal import RPCServer
internal import RPCTransport
internal import Runtime
internal import Serving
internal import Store

/// The composition root: makes the parts of a server from its settings, connects, starts and stops them.
///
/// The order matters. What is stored comes back before the first connection is accepted, so that a restarted server
/// answers as the one before it; and what serves is stopped after the last call has ended.
struct ServerAssembly {
  private let settings: ServeSettings
  private let log: Logger
  private let store: Store
  private let serving: Serving
  private let control: ControlPlane
  private let server: RPCServer

  init(_ settings: ServeSettings) throws {
    self.settings = settings
    var log = Logger(label: "massif")
    log.logLevel = settings.logLevel
    self.log = log
    store = try Store.open(directory: settings.dataDirectory)
    let pluginLog = log
    var limits = PluginLimits()
    limits.maxModelByteCount = settings.maxModelBytes
    let plugins = PluginRegistry(
      workers: try WorkerPool(threadCount: settings.threads), limits: limits,
      isolation: settings.isolation
    ) {
      pluginLog.log(level: $0.level, "\($1)")
    }
    try plugins.registerBuiltIns()

    serving = Serving(configuration: ServingConfiguration(), store: store, plugins: plugins) {
      pluginLog.log(level: $0.level, "\($1)")
    }
    var configuration = LifecycleConfiguration()
    configuration.maxWorkers = settings.concurrentJobs
    configuration.defaultThreads = settings.trainingThreads
    configuration.pluginDirectory = settings.pluginDirectory
    configuration.maxTrainingByteCount = settings.maxTrainingBytes
    configuration.maxTrainingSilence = settings.maxTrainingSilence
    configuration.trustedPluginKeys = settings.pluginKeys
    configuration.allowsUnsignedPlugins = settings.allowsUnsignedPlugins
    control = ControlPlane(
      configuration: configuration, store: store, plugins: plugins, server: serving.models,
      log: log)

    var router = Router()
    serving.register(in: &router)
    control.register(in: &router)
    server = RPCServer(
      configuration: settings.serverConfiguration, router: router,
      access: TeamAccessPolicy(
        trustDomain: settings.trustDomain, administratorTeams: settings.administratorTeams),
      accessLog: try settings.accessLogFile.map { path throws(CommandError) in
        do {
          return try LineFile(path: path)
        } catch {
          throw CommandError("--access-log-file: \(error)")
        }
      }, log: log)
    server.metrics.add { [models = serving.models] text in models.writeMetrics(to: &text) }
  }

  /// Brings back what is stored and begins to serve; answers with the address.
  func start() async throws -> SocketAddress {
    if settings.allowsUnsignedPlugins {
      log.warning(
        "UNSIGNED PLUGINS ARE ALLOWED: what an administrator registers, whoever wrote it, runs with this server's rights. For development only; in production give --plugin-keys instead."
      )
    }
    try control.loadPlugins()
    try await serving.restoreDeployments()
    let address = try await server.start()
    if let metrics = server.plainMetricsAddress {
      log.info("metrics over plain HTTP on \(metrics)")
    }
    try control.startJobs()
    return address
  }

  /// Reads certificates, authorities and revocation list anew.
  func reloadCertificates() { server.reloadCertificates() }

  /// Lets the calls in progress finish, leaves the training jobs to the next start, and stops.
  func stop() async {
    serving.beginDraining()
    await server.shutdown(grace: settings.drain)
    await control.shutdown(grace: settings.drain)
    await serving.stop()
    do {
      try store.close()
    } catch {
      log.error("the store did not close: \(error)")
    }
  }
}

extension ServeSettings {
  /// The settings that concern connections.
  var serverConfiguration: ServerConfiguration {
    let file = { (name: String) in
      URL(filePath: certificates).appending(path: name).path
    }
    var configuration = ServerConfiguration(
      tls: TLSConfiguration(
        certificateChainPath: file("server.pem"), privateKeyPath: file("server.key"),
        trustRootsPath: file("ca.pem")))
    configuration.host = host
    configuration.port = port
    configuration.accessLogging = accessLogging
    configuration.measuresCalls = measuresCalls
    configuration.plainMetrics = plainMetrics
    configuration.connection.maxMessageSize = maxMessageBytes
    connections.apply(to: &configuration)
    return configuration
  }
}

extension ModelPlugins.LogLevel {
  /// The level as swift-log calls it.
  fileprivate var level: Logger.Level {
    switch self {
    case .debug: .debug
    case .info: .info
    case .warning: .warning
    case .error: .error
    }
  }
}
