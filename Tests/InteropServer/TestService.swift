// SPDX-License-Identifier: Apache-2.0
import Foundation
import RPCServer
import RPCTransport
import SwiftProtobuf

/// `grpc.testing.TestService`, as gRPC's `doc/interop-test-descriptions.md` describes it.
///
/// `UnimplementedCall` and `UnimplementedService` are what they say.
struct TestService: Sendable {
  /// More than any case asks for.
  private static let maxPayloadByteCount = 16 << 20

  func register(in router: inout Router) {
    router.register(unary: "/grpc.testing.TestService/EmptyCall", requires: .identify) {
      request, _ in
      _ = try request.decoded(as: Grpc_Testing_Empty.self)
      return try OutgoingMessage(Grpc_Testing_Empty())
    }
    router.register(unary: "/grpc.testing.TestService/UnaryCall", requires: .identify) {
      try await unary($0, $1)
    }
    router.register(
      serverStreaming: "/grpc.testing.TestService/StreamingOutputCall", requires: .identify
    ) {
      try await respond(to: $0, $2)
    }
    router.register(
      clientStreaming: "/grpc.testing.TestService/StreamingInputCall", requires: .identify
    ) { requests, _ in
      var response = Grpc_Testing_StreamingInputCallResponse()
      for try await message in requests {
        let request = try message.decoded(as: Grpc_Testing_StreamingInputCallRequest.self)
        try message.check(request.hasExpectCompressed ? request.expectCompressed : nil)
        response.aggregatedPayloadSize += Int32(request.payload.body.count)
      }
      return try OutgoingMessage(response)
    }
    router.register(
      bidirectional: "/grpc.testing.TestService/FullDuplexCall", requires: .identify
    ) { requests, context, responses in
      try context.echoMetadata()
      for try await request in requests { try await respond(to: request, responses) }
    }
    router.register(
      bidirectional: "/grpc.testing.TestService/HalfDuplexCall", requires: .identify
    ) { requests, context, responses in
      try context.echoMetadata()
      var kept: [ReceivedMessage] = []
      for try await request in requests { kept.append(request) }
      for request in kept { try await respond(to: request, responses) }
    }
  }

  private func unary(
    _ message: ReceivedMessage, _ context: CallContext
  ) async throws -> OutgoingMessage {
    try context.echoMetadata()
    let request = try message.decoded(as: Grpc_Testing_SimpleRequest.self)
    try message.check(request.hasExpectCompressed ? request.expectCompressed : nil)
    if request.hasResponseStatus { try request.responseStatus.raise() }
    var response = Grpc_Testing_SimpleResponse()
    response.payload = try payload(request.responseSize)
    var outgoing = try OutgoingMessage(response)
    outgoing.prefersCompression = request.responseCompressed.value
    return outgoing
  }

  private func respond(
    to message: ReceivedMessage, _ responses: ResponseWriter
  ) async throws {
    let request = try message.decoded(as: Grpc_Testing_StreamingOutputCallRequest.self)
    if request.hasResponseStatus { try request.responseStatus.raise() }
    for parameters in request.responseParameters {
      if parameters.intervalUs > 0 {
        try await Task.sleep(for: .microseconds(parameters.intervalUs))
      }
      var response = Grpc_Testing_StreamingOutputCallResponse()
      response.payload = try payload(parameters.size)
      var outgoing = try OutgoingMessage(response)
      outgoing.prefersCompression = parameters.compressed.value
      try await responses.write(outgoing)
    }
  }

  private func payload(_ size: Int32) throws -> Grpc_Testing_Payload {
    guard (0...Self.maxPayloadByteCount).contains(Int(size)) else {
      throw RPCError.invalidArgument("size", "0 to \(Self.maxPayloadByteCount), came \(size)")
    }
    var payload = Grpc_Testing_Payload()
    payload.body = Data(count: Int(size))
    return payload
  }
}

extension Grpc_Testing_EchoStatus {
  /// Ends the call with this status, unless it is OK.
  fileprivate func raise() throws {
    guard code != 0 else { return }
    guard let code = Status.Code(rawValue: Int(code)) else {
      throw RPCError.invalidArgument("response_status.code", "no code of gRPC: \(code)")
    }
    throw RPCError(code, message)
  }
}

extension CallContext {
  /// custom_metadata: what the client sends under these names comes back.
  fileprivate func echoMetadata() throws {
    let (initial, trailing) = ("x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin")
    if let text = metadata[initial] { try response.initial.append(text, for: initial) }
    if let bytes = metadata[binary: trailing] {
      try response.trailing.append(binary: bytes, for: trailing)
    }
  }
}

extension ReceivedMessage {
  func decoded<Decoded: SwiftProtobuf.Message>(as _: Decoded.Type) throws -> Decoded {
    do {
      return try Decoded(serializedBytes: buffer.array)
    } catch {
      throw RPCError.invalidArgument("", "malformed \(Decoded.protoMessageName)")
    }
  }

  /// client_compressed_…: a message is as its sender says, or the call is refused.
  fileprivate func check(_ expected: Grpc_Testing_BoolValue?) throws {
    guard let expected, expected.value != wasCompressed else { return }
    throw RPCError.invalidArgument(
      "expect_compressed",
      "\(expected.value), but the message was \(wasCompressed ? "" : "not ")compressed")
  }
}

extension OutgoingMessage {
  init(_ message: some SwiftProtobuf.Message) throws {
    self.init(try message.serializedBytes() as [UInt8])
  }
}
