// SPDX-License-Identifier: Apache-2.0
internal import CProtobuf
internal import RPCTransport

extension MassifClient {
  private static let service = "/inference.GRPCInferenceService/"

  /// Runs a model on tensors.
  ///
  /// Inference has no effects, so it is made again when a server is lost under it. The tensors'
  /// bytes are sent from where they are, and the answer's tensors lie in the memory that the
  /// network filled.
  ///
  /// - Parameters:
  ///   - model: `team/model`, or `model` of the caller's own team.
  ///   - version: the version; nil for the one that the server serves by default.
  ///   - inputs: one tensor for each of the model's inputs.
  ///   - outputs: the outputs wanted; none means all.
  ///   - id: given back in the answer.
  ///   - deadline: gives up, here and on the server, at this time; nil means the client's timeout.
  public func infer(
    _ model: String, version: Int64? = nil, inputs: [Tensor], outputs: [String] = [],
    id: String = "", deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> InferenceResult {
    let request = InferenceRequest.message(
      model: model, version: version, id: id, inputs: inputs, outputs: outputs)
    let answer = try await caller.unary(
      Self.service + "ModelInfer", request, isRepeatable: true, deadline: deadline)
    return try InferenceResponse.decode(answer)
  }

  /// Whether the server answers.
  public func isServerLive(
    deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Bool {
    let answer = try await inferenceService("ServerLive", ProtobufWriter(), deadline)
    return try withDecoded(
      Inference__ServerLiveResponse.self, descriptor: inference__server_live_response__descriptor,
      bytes: answer.bytes
    ) { $0.live != 0 }
  }

  /// Whether the server takes inference calls: it is neither starting nor draining.
  public func isServerReady(
    deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Bool {
    let answer = try await inferenceService("ServerReady", ProtobufWriter(), deadline)
    return try withDecoded(
      Inference__ServerReadyResponse.self,
      descriptor: inference__server_ready_response__descriptor, bytes: answer.bytes
    ) { $0.ready != 0 }
  }

  /// Whether a model takes inference calls.
  public func isModelReady(
    _ model: String, version: Int64? = nil, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Bool {
    let answer = try await inferenceService("ModelReady", named(model, version), deadline)
    return try withDecoded(
      Inference__ModelReadyResponse.self, descriptor: inference__model_ready_response__descriptor,
      bytes: answer.bytes
    ) { $0.ready != 0 }
  }

  /// What a served model takes and gives.
  public func modelMetadata(
    _ model: String, version: Int64? = nil, deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> ModelMetadata {
    let answer = try await inferenceService("ModelMetadata", named(model, version), deadline)
    return try withDecoded(
      Inference__ModelMetadataResponse.self,
      descriptor: inference__model_metadata_response__descriptor, bytes: answer.bytes
    ) { ModelMetadata($0) }
  }

  /// The server's health (`grpc.health.v1`).
  ///
  /// - Parameter service: a model's name; empty for the server as a whole.
  public func health(
    of service: String = "", deadline: ContinuousClock.Instant? = nil
  ) async throws(MassifError) -> Health {
    var request = ProtobufWriter()
    request.string(1, service)
    let answer = try await caller.unary(
      "/grpc.health.v1.Health/Check", OutgoingMessage(request.bytes), isRepeatable: true,
      deadline: deadline)
    return try withDecoded(
      Grpc__Health__V1__HealthCheckResponse.self,
      descriptor: grpc__health__v1__health_check_response__descriptor, bytes: answer.bytes
    ) { Health(rawValue: Int($0.status.rawValue)) ?? .unknown }
  }

  private func named(_ model: String, _ version: Int64?) -> ProtobufWriter {
    var request = ProtobufWriter()
    request.string(1, model)
    if let version { request.string(2, String(version)) }
    return request
  }

  private func inferenceService(
    _ method: String, _ request: ProtobufWriter, _ deadline: ContinuousClock.Instant?
  ) async throws(MassifError) -> ReceivedMessage {
    try await caller.unary(
      Self.service + method, OutgoingMessage(request.bytes), isRepeatable: true, deadline: deadline)
  }
}

/// What `grpc.health.v1` says of a service.
public enum Health: Int, Sendable, Hashable {
  /// The server does not say.
  case unknown = 0
  /// It takes calls.
  case serving = 1
  /// It does not: loading, or draining.
  case notServing = 2
  /// There is no such service.
  case serviceUnknown = 3
}
