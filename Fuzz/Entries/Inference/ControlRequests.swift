// SPDX-License-Identifier: Apache-2.0
import CProtobuf
@testable import Serving
@testable import Store

extension FuzzEntry {
  /// The small requests of the inference protocol, health and reflection.
  ///
  /// Input: which request it is, its bytes.
  static let controlRequests = FuzzEntry("control-requests", maxByteCount: 1024) { bytes in
    var input = FuzzInput(bytes)
    let kind = input.byte() % 7
    do {
      switch kind {
      case 0:
        try text(input.rest, inference__model_ready_request__unpack) { $0.name }
      case 1:
        try text(input.rest, inference__model_metadata_request__unpack) { $0.version }
      case 2:
        try text(input.rest, inference__model_statistics_request__unpack) { $0.name }
      case 3:
        try text(input.rest, inference__repository_index_request__unpack) { $0.repository_name }
      case 4:
        try text(input.rest, inference__repository_model_load_request__unpack) { $0.model_name }
      case 5:
        try text(input.rest, grpc__health__v1__health_check_request__unpack) { $0.service }
      default:
        try text(input.rest, inference__repository_model_unload_request__unpack) { $0.model_name }
      }
    } catch let error as ServingError {
      try require(error.code == .invalidArgument, "refused as \(error.code)")
    }
  }

  private static func text<Message>(
    _ bytes: UnsafeRawBufferPointer, _ unpack: DecodedMessage.Unpack<Message>,
    _ member: (Message) -> UnsafeMutablePointer<CChar>?
  ) throws {
    let text = try DecodedMessage.with(bytes, as: "Request", unpack) {
      (message) throws(ServingError) in String(field: member(message))
    }
    // Bytes that are not UTF-8 grow to three times their number when they are replaced.
    try require(text.utf8.count <= bytes.count * 3, "'\(text)' of \(bytes.count) bytes")
  }

  /// Names: what is accepted is what was said, byte by byte, and no path.
  ///
  /// Input: the text.
  static let names = FuzzEntry("names", maxByteCount: 300) { bytes in
    guard let text = FuzzInput(bytes).text else { return }
    if let name = ResourceName(text) {
      try require("\(name)".utf8.elementsEqual(text.utf8), "'\(text)' is '\(name)'")
      try require(
        (1...128).contains(text.utf8.count) && !text.utf8.contains(UInt8(ascii: "/"))
          && text.utf8.first != UInt8(ascii: "."), "'\(text)' is a name")
    }
    if let name = try? QualifiedName(parsing: text, defaultTeam: nil) {
      try require("\(name)".utf8.elementsEqual(text.utf8), "'\(text)' is '\(name)'")
    }
    if let digest = Digest(hexadecimal: text) {
      try require("\(digest)" == text && bytes.count == 64, "'\(text)' is a digest")
    }
  }
}
