// SPDX-License-Identifier: Apache-2.0

/// What requests and responses read alike in their header fields.
enum HeaderFields {
  /// Whether a content type is gRPC's, with the default message format.
  static func isGRPC(contentType: UnsafeRawBufferPointer) -> Bool {
    let base: StaticString = "application/grpc"
    guard contentType.starts(with: base) else { return false }
    let rest = UnsafeRawBufferPointer(
      rebasing: contentType.dropFirst(base.utf8CodeUnitCount))
    return rest.isEmpty || rest.first == UInt8(ascii: ";") || rest.equals("+proto")
      || rest.starts(with: "+proto;")
  }

  /// Adds a custom field.
  ///
  /// False where a `-bin` value is not base64.
  static func append(
    name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, to metadata: inout Metadata
  ) -> Bool {
    let key = String(decoding: name, as: UTF8.self)
    guard name.count > 4, name.ends(with: "-bin") else {
      let text = String(decoding: value, as: UTF8.self)
      metadata.append(Metadata.Entry(key: key, value: .string(text)))
      return true
    }
    // Several values may have been joined with commas on their way.
    for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      guard let bytes = HeaderCoding.bytes(base64: part) else { return false }
      metadata.append(Metadata.Entry(key: key, value: .binary(bytes)))
    }
    return true
  }

  /// Adds the fields that carry a status to a trailers' block.
  static func add(_ status: Status, to block: inout HeaderBlock) {
    block.add("grpc-status", String(status.code.rawValue))
    if !status.message.isEmpty {
      let encoded = HeaderCoding.percentEncode(status.message)
      block.add("grpc-message", Array(encoded.prefix(maxMessageByteCount)))
    }
    if !status.details.isEmpty, status.details.count <= maxDetailsByteCount {
      block.add("grpc-status-details-bin", HeaderCoding.base64(status.details))
    }
  }

  /// Clients refuse header lists beyond 8 to 16 KB, and would lose the status with them: a longer
  /// text is cut, and larger details are left out.
  private static let maxMessageByteCount = 2048
  private static let maxDetailsByteCount = 4096
}
