// SPDX-License-Identifier: Apache-2.0
public import ModelPlugins
public import RPCServer
import RPCTransport
public import Store

/// The data plane: loaded models, batching, and the services `inference.GRPCInferenceService`,
/// `grpc.health.v1.Health` and reflection.
///
/// Made by the composition root, which registers it in the router, hands ``models`` to Lifecycle as
/// its `ModelServer`, restores the deployments once all plugins are registered, and stops it after the
/// RPC server has drained.
public final class Serving: Sendable {
  /// The loaded versions; what deploys and undeploys for the control plane.
  public let models: ModelManager
  private let configuration: ServingConfiguration
  private let store: Store
  private let executors: ExecutorPools
  private let pool: BufferPool
  private let log: @Sendable (LogLevel, String) -> Void

  /// Makes a data plane without a loaded model.
  ///
  /// - Parameter log: gets one line at a time, from any thread.
  public convenience init(
    configuration: ServingConfiguration, store: Store, plugins: PluginRegistry,
    log: @escaping @Sendable (LogLevel, String) -> Void
  ) {
    self.init(
      configuration: configuration, store: store,
      loader: StoreModelLoader(store: store, plugins: plugins), log: log)
  }

  init(
    configuration: ServingConfiguration, store: Store, loader: any ModelLoader,
    log: @escaping @Sendable (LogLevel, String) -> Void
  ) {
    self.configuration = configuration
    self.store = store
    self.log = log
    pool = BufferPool()
    executors = ExecutorPools(threadCount: configuration.executorCount)
    models = ModelManager(
      configuration: configuration, loader: loader, executors: executors, pool: pool)
  }

  /// Loads what is deployed, one after the other.
  ///
  /// A version that cannot be loaded is logged and stands as failed; the others serve.
  ///
  /// - Throws: when the store cannot be read.
  public func restoreDeployments() async throws {
    for deployment in try store.deployments() {
      let name = "\(deployment.model) version \(deployment.version)"
      do {
        guard let record = try store.version(deployment.version, of: deployment.model) else {
          log(.error, "\(name) is deployed and does not exist")
          continue
        }
        if let model = try store.model(deployment.model) {
          models.aliasesChanged(of: model.name, to: model.aliases)
        }
        try await models.load(record)
        log(.info, "\(name) is loaded")
      } catch {
        log(.error, "\(name) is deployed and cannot be loaded: \(error)")
      }
    }
  }

  /// Adds the methods of the services.
  public func register(in router: inout Router) {
    let infer = InferHandler(
      manager: models, decoder: InferRequestDecoder(limits: configuration.limits, pool: pool))
    let services = ServiceRegistration(
      infer: infer,
      streamInfer: StreamInferHandler(infer: infer, pool: pool),
      inference: InferenceService(manager: models, configuration: configuration),
      repository: RepositoryService(manager: models, store: store),
      health: HealthService(manager: models),
      reflection: ReflectionService(index: .ofThisProgram()))
    services.register(in: &router)
  }

  /// Says from now on that the server is not ready.
  ///
  /// To be called when a shutdown begins, before the RPC server drains; requests are still
  /// answered.
  public func beginDraining() {
    models.beginDraining()
  }

  /// Unloads every model after its requests in flight and ends the threads.
  ///
  /// To be called after the RPC server has drained.
  public func stop() async {
    await models.unloadAll()
    executors.stop()
  }
}
