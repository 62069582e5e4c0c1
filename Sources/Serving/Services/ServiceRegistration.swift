// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport

/// Which method of the services is what: its name, the permission that it needs, its handler.
struct ServiceRegistration: Sendable {
  let infer: InferHandler
  let streamInfer: StreamInferHandler
  let inference: InferenceService
  let repository: RepositoryService
  let health: HealthService
  let reflection: ReflectionService

  /// What the protocol has and this server does not, and why.
  private static let unimplemented: [(method: String, reason: String)] = [
    ("TraceSetting", "tracing is set by the operator"),
    ("LogSettings", "logging is set by the operator"),
  ]
  private static let sharedMemoryMethods = ["Status", "Register", "Unregister"]

  func register(in router: inout Router) {
    router.register(
      dataPlane: Self.method("ModelInfer"), requires: .infer, handler: infer)
    router.register(
      dataPlaneStream: Self.method("ModelStreamInfer"), requires: .infer, handler: streamInfer)

    add("ServerLive", .identify, to: &router) { _, _ in inference.serverLive() }
    add("ServerReady", .identify, to: &router) { _, _ in inference.serverReady() }
    add("ServerMetadata", .identify, to: &router) { _, _ in inference.serverMetadata() }
    add("ModelReady", .read, to: &router, inference.modelReady)
    add("ModelMetadata", .read, to: &router, inference.modelMetadata)
    add("ModelConfig", .read, to: &router, inference.modelConfig)
    add("ModelStatistics", .read, to: &router, inference.modelStatistics)
    add("RepositoryIndex", .read, to: &router, repository.index)
    addAsync("RepositoryModelLoad", .write, to: &router, repository.load)
    addAsync("RepositoryModelUnload", .write, to: &router, repository.unload)
    for (method, reason) in Self.unimplemented { refuse(method, reason, in: &router) }
    for kind in ["System", "Cuda"] {
      for method in Self.sharedMemoryMethods {
        refuse(
          "\(kind)SharedMemory\(method)",
          "shared memory that a client names is not supported; send tensors in the request",
          in: &router)
      }
    }
    registerHealth(in: &router)
    reflection.register(in: &router)
  }

  private func registerHealth(in router: inout Router) {
    add("Check", service: HealthService.name, .identify, to: &router, health.check)
    add("List", service: HealthService.name, .identify, to: &router) { _, caller in
      health.list(caller)
    }
    router.register(
      serverStreaming: Self.method("Watch", service: HealthService.name), requires: .identify,
      maxMessageSize: DecodedMessage.maxByteCount
    ) { [health] request, context, responses in
      try await Self.translatingErrors {
        try await health.watch([UInt8](request.bytes), Caller(context)) {
          try await responses.write(OutgoingMessage($0))
        }
      }
    }
  }

  private func add(
    _ name: String, service: String = InferenceService.name, _ permission: Permission,
    to router: inout Router,
    _ handler: @escaping @Sendable (UnsafeRawBufferPointer, Caller) throws(ServingError) -> [UInt8]
  ) {
    router.register(
      unary: Self.method(name, service: service), requires: permission,
      maxMessageSize: DecodedMessage.maxByteCount
    ) { request, context in
      try await Self.translatingErrors {
        OutgoingMessage(try handler(request.bytes, Caller(context)))
      }
    }
  }

  private func addAsync(
    _ name: String, _ permission: Permission, to router: inout Router,
    _ handler: @escaping @Sendable ([UInt8], Caller) async throws -> [UInt8]
  ) {
    router.register(
      unary: Self.method(name), requires: permission, maxMessageSize: DecodedMessage.maxByteCount
    ) { request, context in
      try await Self.translatingErrors {
        OutgoingMessage(try await handler([UInt8](request.bytes), Caller(context)))
      }
    }
  }

  private func refuse(_ name: String, _ reason: String, in router: inout Router) {
    let method = Self.method(name)
    // Bidirectional, so that the answer is the same whatever the caller streams.
    router.register(bidirectional: method, requires: .identify) { _, _, _ in
      throw RPCError(.unimplemented, "\(name): \(reason)")
    }
  }

  private static func translatingErrors<Result>(
    _ body: () async throws -> Result
  ) async throws -> Result {
    do {
      return try await body()
    } catch let error as ServingError {
      throw error.rpcError
    }
  }

  private static func method(
    _ name: String, service: String = InferenceService.name
  ) -> MethodName {
    MethodName(stringLiteral: "/\(service)/\(name)")
  }
}

extension Caller {
  init(_ context: CallContext) {
    self.init(principal: context.principal, access: context.access)
  }
}
