// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Serving

@Suite struct ReflectionServiceTests {
  private let service = ReflectionService(index: .ofThisProgram())

  /// A request with one question, and what its answer holds.
  private func ask(_ field: Int, _ text: String) throws -> ReflectionAnswer {
    var request = WireWriter()
    request.string(1, "host.test")
    request.element(field, text)
    let answer = try ReflectionAnswer(request.bytes.withUnsafeBytes(service.answer))
    #expect(answer.host == "host.test")
    #expect(answer.originalRequest == request.bytes)
    return answer
  }

  @Test func servicesAreListed() throws {
    let services = try ask(7, "").services
    #expect(
      Set(services).isSuperset(of: [
        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection", "inference.GRPCInferenceService",
        "massif.v1.DataSets", "massif.v1.Jobs", "massif.v1.Models", "massif.v1.Plugins",
      ]), "\(services)")
    #expect(services == services.sorted())
    #expect(!services.contains { $0.contains("Test") })
  }

  @Test(arguments: [
    "inference.GRPCInferenceService", "inference.GRPCInferenceService.ModelStreamInfer",
    "inference.ModelInferRequest", "inference.ModelInferRequest.InferInputTensor",
    "inference.ModelInferRequest.model_name",
  ])
  func filesAreFoundByWhatTheyDeclare(symbol: String) throws {
    let answer = try ask(4, symbol)
    #expect(answer.files == ["inference/grpc_service.proto", "inference/model_config.proto"])
  }

  @Test(arguments: [
    ("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"),
    ("grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto"),
    ("inference.DataType", "inference/model_config.proto"),
    ("inference.TYPE_FP32", "inference/model_config.proto"),
    ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto"),
  ])
  func enumsAndImportsAreFoundToo(symbol: String, file: String) throws {
    #expect(try ask(4, symbol).files.first == file)
  }

  @Test func whatAFileImportsComesWithIt() throws {
    let files = try ask(3, "massif/v1/jobs.proto").files
    #expect(files.first == "massif/v1/jobs.proto")
    #expect(
      Set(files).isSuperset(of: ["massif/v1/common.proto", "google/protobuf/timestamp.proto"]))
    #expect(files.count == Set(files).count)
  }

  @Test(arguments: [
    (3, "nobody.proto", 5), (3, "../../etc/passwd", 5), (4, "inference.Nobody", 5), (4, "", 5),
    (5, "", 5), (6, "inference.Nobody", 5),
  ])
  func whatIsNotThereIsNotFound(field: Int, text: String, code: UInt64) throws {
    #expect(try ask(field, text).errorCode == code)
  }

  @Test func messagesHaveNoExtensions() throws {
    let answer = try ask(6, "inference.ModelInferRequest")
    #expect(answer.errorCode == nil)
    #expect(answer.extensionBase == "inference.ModelInferRequest")
  }

  @Test(
    arguments: [[], [0xff], [0x22, 0x05, 0x61], [0x08, 0x01], [0x22, 0x01, 0xff]] as [[UInt8]])
  func aRequestThatCannotBeReadIsToldSo(bytes: [UInt8]) throws {
    let answer = try ReflectionAnswer(bytes.withUnsafeBytes(service.answer))
    #expect(answer.errorCode == 3)
  }
}

/// A `ServerReflectionResponse`.
private struct ReflectionAnswer {
  var host = ""
  var originalRequest: [UInt8] = []
  /// Names of the files, in the order of the answer.
  var files: [String] = []
  var services: [String] = []
  var extensionBase: String?
  var errorCode: UInt64?

  init(_ response: [UInt8]) throws {
    for (field, contents) in try Self.fields(response) {
      switch field {
      case 1: host = String(decoding: contents, as: UTF8.self)
      case 2: originalRequest = contents
      case 4:
        for (_, file) in try Self.fields(contents) {
          let name = try #require(try Self.fields(file).first { $0.0 == 1 })
          files.append(String(decoding: name.1, as: UTF8.self))
        }
      case 5:
        extensionBase = try Self.fields(contents).first.map {
          String(decoding: $0.1, as: UTF8.self)
        }
      case 6:
        for (_, service) in try Self.fields(contents) {
          let name = try #require(try Self.fields(service).first)
          services.append(String(decoding: name.1, as: UTF8.self))
        }
      case 7:
        errorCode = try contents.withUnsafeBytes { bytes in
          var reader = WireReader(bytes)
          _ = try reader.tag()
          return try reader.varint()
        }
      default: Issue.record("field \(field)")
      }
    }
  }

  /// The length-delimited fields of a message.
  private static func fields(_ message: [UInt8]) throws -> [(UInt64, [UInt8])] {
    try message.withUnsafeBytes { bytes in
      var fields: [(UInt64, [UInt8])] = []
      var reader = WireReader(bytes)
      while !reader.isAtEnd {
        let (field, wireType) = try reader.tag()
        if wireType == 2 {
          let range = try reader.lengthDelimited()
          fields.append((field, Array(bytes[range.offset..<range.offset + range.count])))
        } else {
          try reader.skip(wireType)
        }
      }
      return fields
    }
  }
}
