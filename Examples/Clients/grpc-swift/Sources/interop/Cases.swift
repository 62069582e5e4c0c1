// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRPCCore
import GRPCProtobuf

/// The cases, and errors with details as grpc-swift-protobuf decodes them.
struct Cases: Sendable {
  private static let requestSizes = [27182, 8, 1828, 45904]
  private static let responseSizes = [31415, 9, 2653, 58979]
  private static let (largeRequest, largeResponse) = (271_828, 314_159)

  let client: TestClient

  var all: [(String, () async throws -> Void)] {
    [
      ("empty_unary", emptyUnary), ("large_unary", largeUnary),
      ("client_streaming", clientStreaming), ("server_streaming", serverStreaming),
      ("ping_pong", pingPong), ("empty_stream", emptyStream),
      ("timeout_on_sleeping_server", timeoutOnSleepingServer),
      ("status_code_and_message", statusCodeAndMessage),
      ("special_status_message", specialStatusMessage),
      ("unimplemented_method", unimplementedMethod),
      ("unimplemented_service", unimplementedService), ("custom_metadata", customMetadata),
      ("cancel_after_begin", cancelAfterBegin),
      ("cancel_after_first_response", cancelAfterFirstResponse),
      ("client_compressed_unary", clientCompressedUnary),
      ("server_compressed_unary", serverCompressedUnary),
      ("client_compressed_streaming", clientCompressedStreaming),
      ("server_compressed_streaming", serverCompressedStreaming),
      ("error_details", errorDetails),
    ]
  }

  // MARK: Messages

  private func payload(_ size: Int) -> Grpc_Testing_Payload {
    .with { $0.body = Data(count: size) }
  }

  private var large: Grpc_Testing_SimpleRequest {
    .with {
      $0.responseSize = Int32(Self.largeResponse)
      $0.payload = payload(Self.largeRequest)
    }
  }

  private func turn(_ request: Int, _ response: Int) -> Grpc_Testing_StreamingOutputCallRequest {
    .with {
      $0.payload = payload(request)
      $0.responseParameters = [.with { $0.size = Int32(response) }]
    }
  }

  private func fails<Result>(
    _ code: RPCError.Code, _ body: () async throws -> Result
  ) async throws -> RPCError {
    do {
      _ = try await body()
    } catch let error as RPCError {
      try check(error.code == code, "\(code) was expected, came \(error)")
      return error
    }
    throw Failure("\(code) was expected, the call succeeded")
  }

  // MARK: Cases

  private func emptyUnary() async throws {
    _ = try await client.unary("EmptyCall", Grpc_Testing_Empty(), Grpc_Testing_Empty.self)
  }

  private func largeUnary() async throws {
    let response = try await client.unary("UnaryCall", large, Grpc_Testing_SimpleResponse.self)
    let body = try response.message.get().payload.body
    try check(body == Data(count: Self.largeResponse), "\(body.count) bytes")
  }

  private func clientStreaming() async throws {
    let requests = Self.requestSizes.map { size in
      Grpc_Testing_StreamingInputCallRequest.with { $0.payload = payload(size) }
    }
    let response = try await client.clientStreaming(
      "StreamingInputCall", requests, Grpc_Testing_StreamingInputCallResponse.self)
    try check(response.aggregatedPayloadSize == 74_922, "\(response)")
  }

  private func serverStreaming() async throws {
    let request = Grpc_Testing_StreamingOutputCallRequest.with {
      $0.responseParameters = Self.responseSizes.map { size in .with { $0.size = Int32(size) } }
    }
    let responses = try await client.serverStreaming(
      "StreamingOutputCall", request, Grpc_Testing_StreamingOutputCallResponse.self)
    let sizes = responses.map(\.payload.body.count)
    try check(sizes == Self.responseSizes, "\(sizes)")
  }

  private func pingPong() async throws {
    let (turns, next) = AsyncStream<Int>.makeStream()
    next.yield(0)
    let count = Self.requestSizes.count
    try await client.bidirectional("FullDuplexCall") {
      (writer: RPCWriter<Grpc_Testing_StreamingOutputCallRequest>) in
      for await index in turns {
        try await writer.write(turn(Self.requestSizes[index], Self.responseSizes[index]))
      }
    } _: { (response: StreamingClientResponse<Grpc_Testing_StreamingOutputCallResponse>) in
      var received = 0
      for try await message in response.messages {
        try check(message.payload.body.count == Self.responseSizes[received], "size of \(received)")
        received += 1
        if received < count { next.yield(received) } else { next.finish() }
      }
      try check(received == count, "\(received) responses")
    }
  }

  private func emptyStream() async throws {
    try await client.bidirectional("FullDuplexCall") {
      (_: RPCWriter<Grpc_Testing_StreamingOutputCallRequest>) in
    } _: { (response: StreamingClientResponse<Grpc_Testing_StreamingOutputCallResponse>) in
      for try await _ in response.messages { throw Failure("a response") }
    }
  }

  private func timeoutOnSleepingServer() async throws {
    _ = try await fails(.deadlineExceeded) {
      try await client.bidirectional("FullDuplexCall", timeout: .milliseconds(200)) {
        (writer: RPCWriter<Grpc_Testing_StreamingOutputCallRequest>) in
        try await writer.write(
          .with {
            $0.responseParameters = [.with { $0.intervalUs = 30_000_000 }]
          })
      } _: { (response: StreamingClientResponse<Grpc_Testing_StreamingOutputCallResponse>) in
        for try await _ in response.messages {}
      }
    }
  }

  private func told(_ message: String) async throws {
    let request = Grpc_Testing_SimpleRequest.with {
      $0.responseStatus = .with {
        $0.code = 2
        $0.message = message
      }
    }
    let error = try await fails(.unknown) {
      try await client.unary("UnaryCall", request, Grpc_Testing_SimpleResponse.self)
    }
    try check(error.message == message, "message: \(error.message)")
  }

  private func statusCodeAndMessage() async throws {
    let message = "test status method"
    try await told(message)
    let error = try await fails(.unknown) {
      try await client.bidirectional("FullDuplexCall") {
        (writer: RPCWriter<Grpc_Testing_StreamingOutputCallRequest>) in
        try await writer.write(
          .with {
            $0.responseStatus = .with {
              $0.code = 2
              $0.message = message
            }
          })
      } _: { (response: StreamingClientResponse<Grpc_Testing_StreamingOutputCallResponse>) in
        for try await _ in response.messages {}
      }
    }
    try check(error.message == message, "message: \(error.message)")
  }

  private func specialStatusMessage() async throws {
    try await told(
      "\t\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1F608}\t\n")
  }

  private func unimplementedMethod() async throws {
    _ = try await fails(.unimplemented) {
      try await client.unary("UnimplementedCall", Grpc_Testing_Empty(), Grpc_Testing_Empty.self)
    }
  }

  private func unimplementedService() async throws {
    _ = try await fails(.unimplemented) {
      try await client.unary(
        "UnimplementedCall", Grpc_Testing_Empty(), Grpc_Testing_Empty.self,
        service: "grpc.testing.UnimplementedService")
    }
  }

  private func customMetadata() async throws {
    let (initial, trailing) = ("x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin")
    let bytes: [UInt8] = [10, 11, 10, 11, 10, 11]
    var metadata = Metadata()
    metadata.addString("test_initial_metadata_value", forKey: initial)
    metadata.addBinary(bytes, forKey: trailing)
    func expect(_ headers: Metadata, _ trailers: Metadata) throws {
      try check(
        Array(headers[stringValues: initial]) == ["test_initial_metadata_value"], "\(headers)")
      try check(Array(trailers[binaryValues: trailing]) == [bytes], "\(trailers)")
    }
    let unary = try await client.unary(
      "UnaryCall", large, Grpc_Testing_SimpleResponse.self, metadata: metadata)
    try expect(unary.metadata, unary.trailingMetadata)
    let (headers, trailers) = try await client.bidirectional("FullDuplexCall", metadata: metadata) {
      (writer: RPCWriter<Grpc_Testing_StreamingOutputCallRequest>) in
      try await writer.write(turn(Self.largeRequest, Self.largeResponse))
    } _: {
      (response: StreamingClientResponse<Grpc_Testing_StreamingOutputCallResponse>)
        -> (Metadata, Metadata) in
      let contents = try response.accepted.get()
      var trailers = Metadata()
      for try await part in contents.bodyParts {
        if case .trailingMetadata(let metadata) = part { trailers = metadata }
      }
      return (contents.metadata, trailers)
    }
    try expect(headers, trailers)
  }

  private func cancelAfterBegin() async throws {
    let task = Task {
      try await client.bidirectional("FullDuplexCall") {
        (_: RPCWriter<Grpc_Testing_StreamingOutputCallRequest>) in
        try await Task.sleep(for: .seconds(20))
      } _: { (response: StreamingClientResponse<Grpc_Testing_StreamingOutputCallResponse>) in
        for try await _ in response.messages {}
      }
    }
    task.cancel()
    do {
      try await task.value
      throw Failure("the call succeeded")
    } catch let error as RPCError {
      try check(error.code == .cancelled, "\(error)")
    } catch is CancellationError {
      // Cancelled before there was a call.
    }
  }

  private func cancelAfterFirstResponse() async throws {
    let (arrivals, arrived) = AsyncStream<Void>.makeStream()
    let task = Task {
      try await client.bidirectional("FullDuplexCall") {
        (writer: RPCWriter<Grpc_Testing_StreamingOutputCallRequest>) in
        try await writer.write(turn(27182, 31415))
        try await Task.sleep(for: .seconds(20))
      } _: { (response: StreamingClientResponse<Grpc_Testing_StreamingOutputCallResponse>) in
        for try await _ in response.messages { arrived.yield() }
      }
    }
    for await _ in arrivals { break }
    task.cancel()
    do {
      try await task.value
      throw Failure("the call succeeded")
    } catch let error as RPCError {
      try check(error.code == .cancelled, "\(error)")
    } catch is CancellationError {
    }
  }

  private func clientCompressedUnary() async throws {
    var request = large
    request.expectCompressed.value = true
    // Does the server look? An uncompressed message that claims to be compressed is refused.
    _ = try await fails(.invalidArgument) {
      try await client.unary("UnaryCall", request, Grpc_Testing_SimpleResponse.self)
    }
    for algorithm in [CompressionAlgorithm.gzip, .deflate] {
      _ = try await client.unary(
        "UnaryCall", request, Grpc_Testing_SimpleResponse.self, compression: algorithm)
    }
    request.expectCompressed.value = false
    _ = try await client.unary("UnaryCall", request, Grpc_Testing_SimpleResponse.self)
  }

  /// That the message was compressed on the way, grpc-swift does not tell: the C++ client looks.
  private func serverCompressedUnary() async throws {
    for compressed in [true, false] {
      var request = large
      request.responseCompressed.value = compressed
      let response = try await client.unary("UnaryCall", request, Grpc_Testing_SimpleResponse.self)
      let body = try response.message.get().payload.body
      try check(body == Data(count: Self.largeResponse), "\(body.count) bytes")
    }
  }

  private func clientCompressedStreaming() async throws {
    let requests = [27182, 45904].map { size in
      Grpc_Testing_StreamingInputCallRequest.with {
        $0.payload = payload(size)
        $0.expectCompressed.value = true
      }
    }
    _ = try await fails(.invalidArgument) {
      try await client.clientStreaming(
        "StreamingInputCall", requests, Grpc_Testing_StreamingInputCallResponse.self)
    }
    let response = try await client.clientStreaming(
      "StreamingInputCall", requests, Grpc_Testing_StreamingInputCallResponse.self,
      compression: .gzip)
    try check(response.aggregatedPayloadSize == 73_086, "\(response)")
  }

  private func serverCompressedStreaming() async throws {
    let request = Grpc_Testing_StreamingOutputCallRequest.with {
      $0.responseParameters = [(31415, true), (92653, false)].map { size, compressed in
        .with {
          $0.size = Int32(size)
          $0.compressed.value = compressed
        }
      }
    }
    let responses = try await client.serverStreaming(
      "StreamingOutputCall", request, Grpc_Testing_StreamingOutputCallResponse.self)
    let sizes = responses.map(\.payload.body.count)
    try check(sizes == [31415, 92653], "\(sizes)")
  }

  private func errorDetails() async throws {
    let error = try await fails(.failedPrecondition) {
      try await client.unary(
        "Unary", Grpc_Testing_Empty(), Grpc_Testing_Empty.self,
        service: "massif.testing.ErrorService")
    }
    guard let status = try error.unpackGoogleRPCStatus() else { throw Failure("no details") }
    try check(status.message == "every kind of detail", status.message)
    try check(status.details.count == 5, "\(status.details)")
    let details = status.details
    try check(details.compactMap(\.errorInfo).first?.reason == "NOT_READY", "\(details)")
    try check(
      details.compactMap(\.badRequest).first?.violations.first?.field == "inputs[0].shape",
      "\(details)")
    try check(details.compactMap(\.retryInfo).first?.delay == .milliseconds(1500), "\(details)")
    try check(
      details.compactMap(\.quotaFailure).first?.violations.first?.subject == "team/vision",
      "\(details)")
    try check(details.compactMap(\.resourceInfo).first?.name == "digits", "\(details)")
  }
}
