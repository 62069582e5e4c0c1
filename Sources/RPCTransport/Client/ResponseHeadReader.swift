// SPDX-License-Identifier: Apache-2.0

/// Puts a response's header list, or its trailers, together.
struct ResponseHeadReader {
  private(set) var httpStatus: Int?
  private(set) var isGRPC = false
  /// The encoding of compressed messages, or nil where it is an unknown one.
  private(set) var encoding: MessageEncoding? = .identity
  private(set) var metadata = Metadata()
  private var code: Status.Code?
  private var message = ""
  private var details: [UInt8] = []

  /// Whether this is an interim answer (1xx), which only precedes another.
  var isInterim: Bool { (100..<200).contains(httpStatus ?? 0) }

  init(_ headers: ReceivedHeaders) {
    headers.forEach { name, value in receive(name: name, value: value) }
  }

  private mutating func receive(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    if name.equals(":status") {
      httpStatus = number(value)
    } else if name.equals("content-type") {
      isGRPC = HeaderFields.isGRPC(contentType: value)
    } else if name.equals("grpc-status") {
      // A code that a later gRPC may add is UNKNOWN to this one.
      code = number(value).flatMap { Status.Code(rawValue: $0) } ?? .unknown
    } else if name.equals("grpc-message") {
      message = HeaderCoding.percentDecode(value)
    } else if name.equals("grpc-status-details-bin") {
      details = HeaderCoding.bytes(base64: value) ?? []
    } else if name.equals("grpc-encoding") {
      encoding = MessageEncoding(header: value)
    } else if !name.equals("grpc-accept-encoding") {
      // A value that is not base64 is the server's mistake and does not change how the call ended.
      _ = HeaderFields.append(name: name, value: value, to: &metadata)
    }
  }

  private func number(_ text: UnsafeRawBufferPointer) -> Int? {
    guard (1...4).contains(text.count) else { return nil }
    var value = 0
    for byte in text {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      value = value * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return value
  }

  /// The call's status, where this is the last header list; nil where it names none.
  var status: Status? { code.map { Status($0, message, details: details) } }
}
