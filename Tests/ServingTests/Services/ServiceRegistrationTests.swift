// SPDX-License-Identifier: Apache-2.0
import RPCServer
import Testing

@testable import Serving

@Suite struct ServiceRegistrationTests {
  /// Every method of Triton's service, of the health and of the reflection protocol is there, under a permission.
  @Test func everyMethodIsRegistered() async throws {
    let bench = try ServingBench()
    var router = Router()
    bench.serving.register(in: &router)
    let permissions = Dictionary(
      uniqueKeysWithValues: router.methods.map { ($0.name.path, $0.permission) })
    let service = "/inference.GRPCInferenceService/"
    for (method, permission) in [
      ("ServerLive", Permission.identify), ("ServerReady", .identify),
      ("ServerMetadata", .identify), ("ModelReady", .read), ("ModelMetadata", .read),
      ("ModelConfig", .read), ("ModelStatistics", .read), ("ModelInfer", .infer),
      ("RepositoryIndex", .read), ("RepositoryModelLoad", .write),
      ("RepositoryModelUnload", .write), ("ModelStreamInfer", .infer),
      ("TraceSetting", .identify), ("LogSettings", .identify),
      ("SystemSharedMemoryStatus", .identify), ("SystemSharedMemoryRegister", .identify),
      ("SystemSharedMemoryUnregister", .identify), ("CudaSharedMemoryStatus", .identify),
      ("CudaSharedMemoryRegister", .identify), ("CudaSharedMemoryUnregister", .identify),
    ] {
      #expect(permissions[service + method] == permission, "\(method)")
    }
    for method in ["Check", "Watch", "List"] {
      #expect(permissions["/grpc.health.v1.Health/\(method)"] == .identify)
    }
    for version in ["v1", "v1alpha"] {
      let method = "/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo"
      #expect(permissions[method] == .identify)
    }
    #expect(permissions.count == 25)
    await bench.stop()
  }
}
