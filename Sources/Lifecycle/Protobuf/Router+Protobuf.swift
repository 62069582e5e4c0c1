// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import SwiftProtobuf

/// Methods with protobuf messages, over the router's bytes.
extension Router {
  /// Adds a method with one request and one response.
  mutating func register<Request: Message, Response: Message>(
    _ name: MethodName, requires permission: Permission,
    _ handler: @escaping @Sendable (Request, CallContext) async throws -> Response
  ) {
    register(unary: name, requires: permission, maxMessageSize: ProtobufLimits.maxRequestByteCount)
    {
      request, context in
      try await translatingErrors {
        try await handler(Request(received: request), context).outgoing()
      }
    }
  }

  /// Adds a method with one request and responses for as long as the client listens.
  ///
  /// A server that shuts down ends it instead of waiting for it.
  mutating func register<Request: Message, Response: Message>(
    subscription name: MethodName, requires permission: Permission,
    _ handler:
      @escaping @Sendable (
        Request, CallContext, (Response) async throws -> Void
      ) async throws -> Void
  ) {
    register(
      serverStreaming: name, requires: permission,
      maxMessageSize: ProtobufLimits.maxRequestByteCount, isSubscription: true
    ) { request, context, responses in
      try await translatingErrors {
        try await handler(Request(received: request), context) { response in
          try await responses.write(response.outgoing())
        }
      }
    }
  }

  /// Adds a method with any number of requests and responses, for as long as both ends like.
  ///
  /// A server that shuts down ends it instead of waiting for it.
  mutating func register<Request: Message, Response: Message>(
    conversation name: MethodName, requires permission: Permission, maxMessageSize: Int,
    _ handler:
      @escaping @Sendable (
        AsyncThrowingMapSequence<RequestMessages, Request>, CallContext,
        @escaping @Sendable (Response) async throws -> Void
      ) async throws -> Void
  ) {
    register(
      bidirectional: name, requires: permission, maxMessageSize: maxMessageSize,
      isSubscription: true
    ) { requests, context, responses in
      try await translatingErrors {
        let typed = requests.map { (message) throws -> Request in try Request(received: message) }
        try await handler(typed, context) { response in
          try await responses.write(response.outgoing())
        }
      }
    }
  }

  /// Adds a method with any number of requests and one response.
  mutating func register<Request: Message, Response: Message>(
    clientStreaming name: MethodName, requires permission: Permission,
    _ handler:
      @escaping @Sendable (
        AsyncThrowingMapSequence<RequestMessages, Request>, CallContext
      ) async throws -> Response
  ) {
    register(
      clientStreaming: name, requires: permission,
      maxMessageSize: ProtobufLimits.maxChunkByteCount
    ) { requests, context in
      try await translatingErrors {
        let typed = requests.map { (message) throws -> Request in try Request(received: message) }
        return try await handler(typed, context).outgoing()
      }
    }
  }
}

/// The bounds of the control plane's messages.
enum ProtobufLimits {
  /// A configuration of 1 MiB and the rest of a specification.
  static let maxRequestByteCount = 2 << 20
  /// A piece of an upload: gRPC's customary bound.
  static let maxChunkByteCount = 4 << 20
  /// No message of ours nests deeper; protobuf's own default is 100.
  static let maxDepth = 16
}

extension Message {
  /// Parses a message that came in.
  ///
  /// - Throws: `.invalidArgument` for bytes that are no such message.
  init(received message: ReceivedMessage) throws(RPCError) {
    var options = BinaryDecodingOptions()
    options.messageDepthLimit = ProtobufLimits.maxDepth
    options.discardUnknownFields = true
    do {
      try self.init(serializedBytes: message.buffer.array, options: options)
    } catch {
      throw RPCError(
        .invalidArgument, "the request is no well-formed \(Self.protoMessageName)", cause: error)
    }
  }

  /// The message as it is sent.
  func outgoing() throws -> OutgoingMessage {
    let bytes: [UInt8] = try serializedBytes()
    return OutgoingMessage(bytes)
  }
}

/// Runs a handler so that what it throws is what a caller is told.
func translatingErrors<Result>(
  _ body: () async throws -> Result
) async throws(RPCError) -> Result {
  do {
    return try await body()
  } catch {
    throw RPCError(translating: error)
  }
}
