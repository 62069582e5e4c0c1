// SPDX-License-Identifier: Apache-2.0
import CProtobuf
import RPCServer
import Store

/// `grpc.health.v1.Health`: `""` and the names of the gRPC services stand for the server, each model
/// for itself, as `model` of the caller's team or as `team/model`.
struct HealthService: Sendable {
  static let name = "grpc.health.v1.Health"
  /// Models that `List` answers; the protocol lets a server refuse more, we cut.
  private static let maxListedModels = 1000

  /// The values of `HealthCheckResponse.ServingStatus`.
  enum Status: UInt64 {
    case unknown = 0
    case serving = 1
    case notServing = 2
    case serviceUnknown = 3
  }

  let manager: ModelManager

  func check(
    _ bytes: UnsafeRawBufferPointer, _ caller: Caller
  ) throws(ServingError) -> [UInt8] {
    let service = try service(of: bytes)
    let status = status(of: service, caller)
    guard status != .serviceUnknown else {
      throw ServingError(.notFound, "service \(service) is not known here")
    }
    return response(status)
  }

  /// The status now and then each change of it, until the caller goes or the server drains.
  func watch(
    _ bytes: [UInt8], _ caller: Caller, send: ([UInt8]) async throws -> Void
  ) async throws {
    let service: String = try bytes.withUnsafeBytes { try self.service(of: $0) }
    // Listening begins before the first look, so that no change falls in between.
    let changes = manager.changes.listen()
    var last = status(of: service, caller)
    try await send(response(last))
    for await _ in changes {
      let now = status(of: service, caller)
      if now != last {
        last = now
        try await send(response(now))
      }
      if !manager.isReady { return }
    }
    try Task.checkCancellation()
  }

  func list(_ caller: Caller) -> [UInt8] {
    var response = WireWriter()
    func entry(_ name: String, _ status: Status) {
      response.message(1) {
        $0.string(1, name)
        $0.message(2) { $0.unsigned(1, status.rawValue) }
      }
    }
    for name in ["", Self.name, InferenceService.name] { entry(name, serverStatus) }
    let models = Set(manager.listing(for: caller).map(\.model)).sorted()
    for model in models.prefix(Self.maxListedModels) {
      entry(model.description, status(of: model.description, caller))
    }
    return response.bytes
  }

  func status(of service: String, _ caller: Caller) -> Status {
    if service.isEmpty || service == Self.name || service == InferenceService.name {
      return serverStatus
    }
    do throws(ServingError) {
      let version = try manager.version(named: service, version: "", for: caller, .read)
      return version.loaded.model.isAvailable ? serverStatus : .notServing
    } catch {
      switch error.code {
      case .unavailable, .failedPrecondition: return .notServing
      default: return .serviceUnknown
      }
    }
  }

  private var serverStatus: Status { manager.isReady ? .serving : .notServing }

  private func service(of bytes: UnsafeRawBufferPointer) throws(ServingError) -> String {
    try DecodedMessage.with(
      bytes, as: "HealthCheckRequest", grpc__health__v1__health_check_request__unpack
    ) { String(field: $0.service) }
  }

  private func response(_ status: Status) -> [UInt8] {
    var response = WireWriter()
    response.unsigned(1, status.rawValue)
    return response.bytes
  }
}
