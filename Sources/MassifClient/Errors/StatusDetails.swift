// SPDX-License-Identifier: Apache-2.0

/// The parts of a serialized `google.rpc.Status` that the SDK acts on.
///
/// From `google/rpc/status.proto` and `google/rpc/error_details.proto`: Status {code 1, message 2,
/// details 3 of Any {type_url 1, value 2}}, BadRequest {field_violations 1 {field 1, description
/// 2}}, RetryInfo {retry_delay 1 {seconds 1, nanos 2}}. Unknown details are passed over; malformed
/// bytes leave what was read before them.
struct StatusDetails: Equatable {
  private(set) var fieldViolations: [MassifError.FieldViolation] = []
  private(set) var retryDelay: Duration?

  /// More violations than this are of no use to a person, and a peer chooses their number.
  static let maxViolations = 100

  init(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { status in
      Self.forEachMessage(3, in: status) { detail in
        var name = Substring()
        Self.forEachMessage(1, in: detail) { name = Self.typeName($0) }
        Self.forEachMessage(2, in: detail) { value in
          switch name {
          case "google.rpc.BadRequest": readBadRequest(value)
          case "google.rpc.RetryInfo": readRetryInfo(value)
          default: break
          }
        }
      }
    }
  }

  private mutating func readBadRequest(_ bytes: UnsafeRawBufferPointer) {
    Self.forEachMessage(1, in: bytes) { violation in
      guard fieldViolations.count < Self.maxViolations else { return }
      var field = ""
      var description = ""
      Self.forEachMessage(1, in: violation) { field = String(decoding: $0, as: UTF8.self) }
      Self.forEachMessage(2, in: violation) { description = String(decoding: $0, as: UTF8.self) }
      fieldViolations.append(.init(field: field, description: description))
    }
  }

  private mutating func readRetryInfo(_ bytes: UnsafeRawBufferPointer) {
    Self.forEachMessage(1, in: bytes) { duration in
      var reader = ProtobufReader(duration)
      var delay = Duration.zero
      while let field = try? reader.next() {
        guard case .varint(let value) = field.value else { continue }
        // A delay is bounded so that no peer can make the arithmetic overflow.
        let amount = max(0, min(Int64(bitPattern: value), 1_000_000_000))
        if field.number == 1 { delay += .seconds(amount) }
        if field.number == 2 { delay += .nanoseconds(amount) }
      }
      retryDelay = delay
    }
  }

  /// The name behind the last slash of a type URL.
  private static func typeName(_ bytes: UnsafeRawBufferPointer) -> Substring {
    let url = String(decoding: bytes, as: UTF8.self)
    return url.lastIndex(of: "/").map { url[url.index(after: $0)...] } ?? url[...]
  }

  private static func forEachMessage(
    _ number: Int, in bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    var reader = ProtobufReader(bytes)
    while let field = try? reader.next() {
      guard field.number == number, case .bytes(let range) = field.value else { continue }
      body(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
  }
}
