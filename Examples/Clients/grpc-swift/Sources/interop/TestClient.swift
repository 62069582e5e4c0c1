// SPDX-License-Identifier: Apache-2.0
import GRPCCore
import GRPCNIOTransportHTTP2
import GRPCProtobuf
internal import SwiftProtobuf

/// The methods of `grpc.testing`, called by their names: no generated stubs.
struct TestClient: Sendable {
  private let client: GRPCClient<HTTP2ClientTransport.Posix>

  init(_ client: GRPCClient<HTTP2ClientTransport.Posix>) { self.client = client }

  private func options(_ timeout: Duration, _ compression: CompressionAlgorithm?) -> CallOptions {
    var options = CallOptions.defaults
    options.timeout = timeout
    options.compression = compression
    return options
  }

  private func method(_ name: String, _ service: String) -> MethodDescriptor {
    MethodDescriptor(fullyQualifiedService: service, method: name)
  }

  func unary<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
    _ name: String, _ request: Request, _: Response.Type,
    service: String = "grpc.testing.TestService", metadata: Metadata = [:],
    compression: CompressionAlgorithm? = nil
  ) async throws -> ClientResponse<Response>.Contents {
    try await client.unary(
      request: ClientRequest(message: request, metadata: metadata),
      descriptor: method(name, service), serializer: ProtobufSerializer<Request>(),
      deserializer: ProtobufDeserializer<Response>(), options: options(.seconds(20), compression)
    ) { try $0.accepted.get() }
  }

  func serverStreaming<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
    _ name: String, _ request: Request, _: Response.Type
  ) async throws -> [Response] {
    try await client.serverStreaming(
      request: ClientRequest(message: request),
      descriptor: method(name, "grpc.testing.TestService"),
      serializer: ProtobufSerializer<Request>(), deserializer: ProtobufDeserializer<Response>(),
      options: options(.seconds(20), nil)
    ) { response in
      try await response.messages.reduce(into: []) { $0.append($1) }
    }
  }

  func clientStreaming<Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message>(
    _ name: String, _ requests: [Request], _: Response.Type,
    compression: CompressionAlgorithm? = nil
  ) async throws -> Response {
    try await client.clientStreaming(
      request: StreamingClientRequest { writer in
        for request in requests { try await writer.write(request) }
      },
      descriptor: method(name, "grpc.testing.TestService"),
      serializer: ProtobufSerializer<Request>(), deserializer: ProtobufDeserializer<Response>(),
      options: options(.seconds(20), compression)
    ) { try $0.message }
  }

  func bidirectional<
    Request: SwiftProtobuf.Message, Response: SwiftProtobuf.Message, Result: Sendable
  >(
    _ name: String, timeout: Duration = .seconds(20), metadata: Metadata = [:],
    requests: @escaping @Sendable (RPCWriter<Request>) async throws -> Void,
    _ body: @escaping @Sendable (StreamingClientResponse<Response>) async throws -> Result
  ) async throws -> Result {
    try await client.bidirectionalStreaming(
      request: StreamingClientRequest(metadata: metadata, producer: requests),
      descriptor: method(name, "grpc.testing.TestService"),
      serializer: ProtobufSerializer<Request>(), deserializer: ProtobufDeserializer<Response>(),
      options: options(timeout, nil), onResponse: body)
  }
}
