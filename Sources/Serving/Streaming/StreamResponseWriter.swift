// SPDX-License-Identifier: Apache-2.0
import RPCTransport

/// Writes `ModelStreamInferResponse`: `error_message` 1, `infer_response` 2.
struct StreamResponseWriter {
  /// The parameter that marks the last answer of a request.
  private static let finalResponse = "triton_final_response"
  /// A head up to this size is copied behind the prefix, which is cheaper than a piece of its own.
  private static let maxCopiedByteCount = 4096

  private let isFinal = parameters(isFinal: true)
  private let isNotFinal = parameters(isFinal: false)
  private let pool: BufferPool

  init(pool: BufferPool) { self.pool = pool }

  /// Puts a `ModelInferResponse` into its envelope and says whether it is the last of its request.
  ///
  /// The parameter goes in front: the order of fields is free, and nothing of the answer moves.
  func response(_ message: OutgoingMessage, isFinal: Bool) -> OutgoingMessage {
    let parameters = isFinal ? self.isFinal : isNotFinal
    var envelope = WireWriter()
    envelope.begin(2, byteCount: parameters.count + message.byteCount)
    let copied = (message.head?.count ?? 0) <= Self.maxCopiedByteCount ? message.head : nil
    let head = pool.buffer(
      capacity: envelope.bytes.count + parameters.count + (copied?.count ?? 0))
    envelope.bytes.withUnsafeBytes { head.append($0) }
    parameters.withUnsafeBytes { head.append($0) }
    if let copied {
      head.append(copied.bytes)
      return OutgoingMessage(head: head, segments: message.segments)
    }
    var segments = message.segments
    if let large = message.head {
      segments.insert(.init(large.bytes, owner: large), at: 0)
    }
    return OutgoingMessage(head: head, segments: segments)
  }

  /// An answer without outputs, for a request whose last answer was not known to be the last.
  func emptyFinalResponse(_ request: StreamedRequestEcho) -> OutgoingMessage {
    var response = WireWriter()
    response.message(2) {
      $0.string(1, request.modelName)
      $0.string(3, request.id)
      $0.bytes += isFinal
    }
    return OutgoingMessage(response.bytes)
  }

  /// An error of one request, which leaves the others alone.
  func failure(_ text: String, of request: StreamedRequestEcho) -> OutgoingMessage {
    var response = WireWriter()
    // An empty text would not be seen as an error.
    response.string(1, text.isEmpty ? "the request failed" : text)
    response.message(2) {
      $0.string(1, request.modelName)
      $0.string(3, request.id)
      $0.bytes += isFinal
    }
    return OutgoingMessage(response.bytes)
  }

  /// `ModelInferResponse.parameters` with the one entry; a bool that is false is written too, as
  /// it is one of a `oneof`.
  private static func parameters(isFinal: Bool) -> [UInt8] {
    var response = WireWriter()
    response.message(4) {
      $0.string(1, finalResponse)
      $0.message(2) { $0.bytes += [1 << 3, isFinal ? 1 : 0] }
    }
    return response.bytes
  }
}

/// What an answer repeats of its request where decoding the request is not the way to it: of one
/// that failed, and of one that has ended already.
struct StreamedRequestEcho: Equatable {
  private static let enableEmptyFinalResponse = "triton_enable_empty_final_response"

  private(set) var modelName = ""
  private(set) var id = ""
  private(set) var wantsEmptyFinalResponse = false

  /// Reads as much of a `ModelInferRequest` as can be read.
  init(_ bytes: UnsafeRawBufferPointer) {
    var reader = WireReader(bytes)
    do throws(WireError) {
      while !reader.isAtEnd {
        let (field, wireType) = try reader.tag()
        switch (field, wireType) {
        case (1, 2): modelName = text(bytes, try reader.text())
        case (3, 2): id = text(bytes, try reader.text())
        case (4, 2): try readParameter(bytes, try reader.lengthDelimited())
        default: try reader.skip(wireType)
        }
      }
    } catch {
      // What came before the damage stands.
    }
  }

  private mutating func readParameter(
    _ bytes: UnsafeRawBufferPointer, _ entry: WireRange
  ) throws(WireError) {
    var reader = WireReader(bytes, entry)
    var isOurs = false
    var isTrue = false
    while !reader.isAtEnd {
      let (field, wireType) = try reader.tag()
      switch (field, wireType) {
      case (1, 2): isOurs = text(bytes, try reader.text()) == Self.enableEmptyFinalResponse
      case (2, 2):
        var value = WireReader(bytes, try reader.lengthDelimited())
        while !value.isAtEnd {
          let (field, wireType) = try value.tag()
          if field == 1, wireType == 0 {
            isTrue = try value.varint() != 0
          } else {
            try value.skip(wireType)
          }
        }
      default: try reader.skip(wireType)
      }
    }
    if isOurs { wantsEmptyFinalResponse = isTrue }
  }

  private func text(_ bytes: UnsafeRawBufferPointer, _ range: WireRange) -> String {
    String(decoding: bytes[range.offset..<range.offset + range.count], as: UTF8.self)
  }
}
