// SPDX-License-Identifier: Apache-2.0
public import RPCTransport

/// Writes `google.rpc.Status` by hand: five small messages do not need a protobuf library in the
/// target that every call passes through.
extension RPCError {
  /// Trailers must fit into the 8 KB of headers that clients accept: base64 adds a third, and the
  /// message travels a second time as `grpc-message`.
  static let maxEncodedByteCount = 4096
  /// The bound of the message, in bytes of UTF-8.
  static let maxMessageByteCount = 1024

  /// The error as gRPC's trailers carry it.
  ///
  /// The message is cut to ``maxMessageByteCount``; where the details do not fit into
  /// ``maxEncodedByteCount`` the last violations, then the last details, are left out.
  public var status: Status {
    let message = RPCError.cut(self.message, to: RPCError.maxMessageByteCount)
    guard !details.isEmpty else { return Status(code, message) }
    var kept = details
    while !kept.isEmpty {
      let bytes = RPCError.encode(code, message, kept)
      if bytes.count <= RPCError.maxEncodedByteCount {
        return Status(code, message, details: bytes)
      }
      kept = RPCError.shortened(kept)
    }
    return Status(code, message)
  }

  private static func shortened(_ details: [ErrorDetail]) -> [ErrorDetail] {
    var details = details
    switch details.removeLast() {
    case .badRequest(let violations) where violations.count > 1:
      details.append(.badRequest(Array(violations.prefix(violations.count / 2))))
    case .quotaFailure(let violations) where violations.count > 1:
      details.append(.quotaFailure(Array(violations.prefix(violations.count / 2))))
    default: break
    }
    return details
  }

  private static func cut(_ text: String, to limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var end = text.utf8.index(text.startIndex, offsetBy: limit - 3)
    // Back to the beginning of a character.
    while end > text.startIndex, end.samePosition(in: text) == nil {
      end = text.utf8.index(before: end)
    }
    return text[..<end] + "…"
  }

  // google.rpc.Status: code 1, message 2, details 3 (google.protobuf.Any: type_url 1, value 2)
  private static func encode(
    _ code: Status.Code, _ message: String, _ details: [ErrorDetail]
  ) -> [UInt8] {
    var status = ProtobufWriter()
    status.field(1, UInt64(code.rawValue))
    status.field(2, message)
    for detail in details {
      let (name, value) = encode(detail)
      var any = ProtobufWriter()
      any.field(1, "type.googleapis.com/google.rpc.\(name)")
      any.field(2, value)
      status.field(3, any)
    }
    return status.bytes
  }

  private static func encode(_ detail: ErrorDetail) -> (name: String, value: ProtobufWriter) {
    var value = ProtobufWriter()
    switch detail {
    case .errorInfo(let reason, let metadata):
      value.field(1, reason)
      value.field(2, "massif")
      for (key, text) in metadata.sorted(by: { $0.key < $1.key }) {
        var entry = ProtobufWriter()
        entry.field(1, key)
        entry.field(2, text)
        value.field(3, entry)
      }
      return ("ErrorInfo", value)
    case .badRequest(let violations):
      for violation in violations {
        var entry = ProtobufWriter()
        entry.field(1, violation.field)
        entry.field(2, violation.description)
        value.field(1, entry)
      }
      return ("BadRequest", value)
    case .retryInfo(let delay):
      var duration = ProtobufWriter()
      duration.field(1, UInt64(bitPattern: delay.components.seconds))
      duration.field(
        2, UInt64(bitPattern: delay.components.attoseconds / 1_000_000_000))
      value.field(1, duration)
      return ("RetryInfo", value)
    case .quotaFailure(let violations):
      for violation in violations {
        var entry = ProtobufWriter()
        entry.field(1, violation.subject)
        entry.field(2, violation.description)
        value.field(1, entry)
      }
      return ("QuotaFailure", value)
    case .resourceInfo(let type, let name, let owner, let description):
      value.field(1, type)
      value.field(2, name)
      value.field(3, owner)
      value.field(4, description)
      return ("ResourceInfo", value)
    }
  }
}

/// The part of the protobuf encoding that error details use; default values are left out, as
/// proto3 does.
private struct ProtobufWriter {
  var bytes: [UInt8] = []

  mutating func field(_ number: UInt64, _ value: UInt64) {
    guard value != 0 else { return }
    varint(number << 3)
    varint(value)
  }

  mutating func field(_ number: UInt64, _ text: String) {
    guard !text.isEmpty else { return }
    varint(number << 3 | 2)
    varint(UInt64(text.utf8.count))
    bytes += text.utf8
  }

  /// A message is written even where it is empty: that it is there says something.
  mutating func field(_ number: UInt64, _ message: ProtobufWriter) {
    varint(number << 3 | 2)
    varint(UInt64(message.bytes.count))
    bytes += message.bytes
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
