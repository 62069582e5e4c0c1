// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport

/// `grpc.reflection.v1.ServerReflection`, and the same under its first name, `v1alpha`: lets a
/// client find out what may be called, and how, without the .proto files.
struct ReflectionService: Sendable {
  /// Both versions have the same messages.
  static let names = [
    "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
  ]

  let index: DescriptorIndex

  func register(in router: inout Router) {
    for name in Self.names {
      router.register(
        bidirectional: MethodName(stringLiteral: "/\(name)/ServerReflectionInfo"),
        requires: .identify, maxMessageSize: DecodedMessage.maxByteCount
      ) { requests, _, responses in
        for try await request in requests {
          try await responses.write(OutgoingMessage(answer(request.bytes)))
        }
      }
    }
  }

  /// What a client may ask, with the field numbers of `ServerReflectionRequest.message_request`.
  private enum Question: UInt64 {
    case fileByFilename = 3
    case fileContainingSymbol = 4
    case fileContainingExtension = 5
    case allExtensionNumbersOfType = 6
    case listServices = 7
  }

  /// Field numbers of `ServerReflectionResponse`.
  fileprivate enum Answer {
    static let validHost = 1
    static let originalRequest = 2
    static let fileDescriptors = 4
    static let extensionNumbers = 5
    static let services = 6
    static let error = 7
  }

  /// Codes of gRPC, as `ErrorResponse` has them.
  fileprivate enum ErrorCode: UInt64 {
    case invalidArgument = 3
    case notFound = 5
  }

  /// Answers one `ServerReflectionRequest`.
  ///
  /// What is wrong with a request is told in its answer; the stream goes on.
  func answer(_ request: UnsafeRawBufferPointer) -> [UInt8] {
    var host = ""
    var asked: (question: Question, text: String)?
    var isMalformed = false
    do throws(WireError) {
      var reader = WireReader(request)
      while !reader.isAtEnd {
        let (field, wireType) = try reader.tag()
        guard wireType == 2 else {
          try reader.skip(wireType)
          continue
        }
        // An extension is asked for with a message; its type alone says whether there can be any.
        let range =
          field == Question.fileContainingExtension.rawValue
          ? try reader.lengthDelimited() : try reader.text()
        let text = String(
          decoding: request[range.offset..<range.offset + range.count], as: UTF8.self)
        if field == 1 { host = text }
        if let question = Question(rawValue: field) { asked = (question, text) }
      }
    } catch {
      isMalformed = true
    }
    var response = WireWriter()
    response.string(Answer.validHost, host)
    response.message(Answer.originalRequest) { if !isMalformed { $0.bytes += request } }
    guard !isMalformed, let asked else {
      response.error(.invalidArgument, "expected one question about files, symbols or services")
      return response.bytes
    }
    switch asked.question {
    case .fileByFilename: response.files(index.fileAndImports(asked.text), asked.text)
    case .fileContainingSymbol:
      let file = index.name(ofFileDeclaring: asked.text)
      response.files(file.map(index.fileAndImports) ?? [], asked.text)
    case .fileContainingExtension:
      response.error(.notFound, "there are no extensions here")
    case .allExtensionNumbersOfType:
      if index.isMessage(asked.text) {
        response.message(Answer.extensionNumbers) { $0.string(1, asked.text) }
      } else {
        response.error(.notFound, "\(asked.text) is no message of this server")
      }
    case .listServices:
      response.message(Answer.services) { list in
        for name in index.services { list.message(1) { $0.string(1, name) } }
      }
    }
    return response.bytes
  }
}

extension WireWriter {
  fileprivate mutating func files(_ files: [DescriptorIndex.File], _ name: String) {
    guard !files.isEmpty else {
      return error(.notFound, "\(name) is not known here")
    }
    message(ReflectionService.Answer.fileDescriptors) { response in
      for file in files { response.message(1) { $0.bytes = file.bytes } }
    }
  }

  fileprivate mutating func error(_ code: ReflectionService.ErrorCode, _ text: String) {
    message(ReflectionService.Answer.error) {
      $0.unsigned(1, code.rawValue)
      $0.string(2, text)
    }
  }
}
