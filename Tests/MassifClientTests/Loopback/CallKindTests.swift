// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import RPCServer
import RPCTransport
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

@testable import MassifClient

/// Every kind of call of the SDK against the project's server, over TLS.
struct CallKindTests {
  private let authority: TestAuthority

  init() throws { authority = try TestAuthority() }

  @Test func infersWithLargeTensors() async throws {
    var router = Router()
    router.register(unary: "/inference.GRPCInferenceService/ModelInfer", requires: .infer) {
      request, _ in
      // The raw contents are the last bytes of the request; the answer gives them back.
      var response = ProtobufWriter()
      response.string(1, "m")
      response.string(2, "1")
      var output = ProtobufWriter()
      output.string(1, "y")
      output.string(2, "FP32")
      output.packed(3, [150_528])
      response.message(5, output)
      response.header(6, byteCount: 602_112)
      return OutgoingMessage(
        head: PooledBuffer(copying: response.bytes),
        segments: [
          .init(
            UnsafeRawBufferPointer(rebasing: request.bytes.suffix(602_112)), owner: request.buffer)
        ])
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      let values = (0..<150_528).map { Float($0) }
      let tensor = try Tensor("x", shape: [150_528], values)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask {
            let answer = try await client.infer("m", inputs: [tensor])
            #expect(try answer["y"]?.elements() == values)
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func asksTheServerAboutItself() async throws {
    var router = Router()
    for (method, value) in [("ServerLive", 1), ("ServerReady", 0), ("ModelReady", 1)] {
      router.register(
        unary: MethodName(stringLiteral: "/inference.GRPCInferenceService/\(method)"),
        requires: .identify
      ) { _, _ in OutgoingMessage(value == 1 ? [0x08, 1] : []) }
    }
    router.register(unary: "/inference.GRPCInferenceService/ModelMetadata", requires: .read) {
      _, _ in
      var response = ProtobufWriter()
      response.string(1, "vision/m")
      response.string(2, "1")
      response.string(2, "2")
      response.string(3, "neural-network")
      var input = ProtobufWriter()
      input.string(1, "images")
      input.string(2, "UINT8")
      input.packed(3, [-1, 28, 28, 1])
      response.message(4, input)
      return OutgoingMessage(response.bytes)
    }
    router.register(unary: "/grpc.health.v1.Health/Check", requires: .identify) { _, _ in
      OutgoingMessage([0x08, 2])
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      #expect(try await client.isServerLive())
      #expect(try await !client.isServerReady())
      #expect(try await client.isModelReady("m"))
      #expect(try await client.health() == .notServing)
      let metadata = try await client.modelMetadata("m")
      #expect(metadata.name == "vision/m")
      #expect(metadata.versions == ["1", "2"])
      #expect(
        metadata.inputs == [.init(name: "images", dataType: .uint8, shape: [-1, 28, 28, 1])])
      #expect(metadata.outputs == [])
    }
  }

  @Test func uploadsAFileInChunks() async throws {
    let content = (0..<1_300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let path = authority.directory.file("data")
    try Data(content).write(to: URL(filePath: path))
    var router = Router()
    router.register(clientStreaming: "/massif.v1.DataSets/UploadDataSet", requires: .write) {
      requests, _ in
      var header = Massif_V1_UploadDataSetRequest.Header()
      var received: [UInt8] = []
      for try await message in requests {
        let request = try Massif_V1_UploadDataSetRequest(serializedBytes: Array(message.bytes))
        switch request.part {
        case .header(let value): header = value
        case .chunk(let chunk): received += chunk
        case nil: break
        }
      }
      let dataSet = Massif_V1_DataSet.with {
        $0.name = header.name
        $0.digest = header.sha256.map { String($0, radix: 16) }.joined(separator: " ")
        $0.byteCount = received == content ? header.byteCount : 0
      }
      return OutgoingMessage(try dataSet.serializedBytes() as [UInt8])
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      let progress = Recorder<UploadProgress>()
      let dataSet = try await client.dataSets.upload("vision/x", file: path) { progress.record($0) }
      #expect(dataSet.name == "vision/x")
      #expect(dataSet.byteCount == UInt64(content.count))
      #expect(
        progress.events
          == [524_288, 1_048_576, 1_300_000].map {
            UploadProgress(sent: $0, total: 1_300_000)
          })
    }
  }

  @Test func uploadsAStreamAndReportsTheServersRefusal() async throws {
    var router = Router()
    router.register(clientStreaming: "/massif.v1.DataSets/UploadDataSet", requires: .write) {
      requests, _ in
      // Refused after the header, while the client is sending.
      for try await _ in requests { break }
      throw RPCError.invalidArgument("header.sha256", "expected 32 bytes, came 3")
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      let chunks = AsyncStream<[UInt8]> { continuation in
        for _ in 0..<20 { continuation.yield([UInt8](repeating: 1, count: 1 << 20)) }
        continuation.finish()
      }
      let error = await #expect(throws: MassifError.self) {
        try await client.dataSets.upload(
          "x", chunks: chunks, byteCount: 20 << 20, sha256: [1, 2, 3])
      }
      #expect(error?.code == .invalidArgument)
      #expect(
        error?.fieldViolations == [
          .init(field: "header.sha256", description: "expected 32 bytes, came 3")
        ])
    }
  }

  @Test func listsEveryPage() async throws {
    var router = Router()
    router.register(unary: "/massif.v1.Models/ListModels", requires: .read) { message, _ in
      let request = try Massif_V1_ListModelsRequest(serializedBytes: Array(message.bytes))
      let page = Int(request.page.pageToken) ?? 0
      let response = Massif_V1_ListModelsResponse.with {
        $0.models = [.with { $0.name = "\(request.team)/m\(page)" }]
        $0.nextPageToken = page < 3 ? String(page + 1) : ""
      }
      return OutgoingMessage(try response.serializedBytes() as [UInt8])
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      let models = try await client.models.list(team: "vision")
      #expect(models.map(\.name) == (0..<4).map { "vision/m\($0)" })
    }
  }

  @Test func sendsTheConfiguredMetadata() async throws {
    var router = Router()
    router.register(unary: "/massif.v1.Jobs/GetJob", requires: .read) { _, context in
      let job = Massif_V1_Job.with { $0.id = context.metadata["x-request-id"] ?? "" }
      return OutgoingMessage(try job.serializedBytes() as [UInt8])
    }
    try await LoopbackServer.run(router, authority) { server in
      let options = try MassifClient.Options(metadata: [("x-request-id", "abc")])
      let client = try server.client(authority) { $0 = options }
      defer { client.close() }
      #expect(try await client.jobs.get("1").id == "abc")
    }
    #expect(throws: MassifError.self) {
      try MassifClient.Options(metadata: [("grpc-timeout", "1S")])
    }
  }
}
