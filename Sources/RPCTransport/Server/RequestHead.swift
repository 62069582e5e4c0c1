// SPDX-License-Identifier: Apache-2.0

/// What a call says before its first message.
public struct RequestHead: Sendable {
  /// The method, as `/package.Service/Method`. Calls of a connection that name the same method
  /// share the string.
  public internal(set) var path = ""
  /// The host that the client means.
  public internal(set) var authority = ""
  /// The custom headers, `user-agent` among them.
  public internal(set) var metadata = Metadata()
  /// How long the client waits, from now, or nil where it did not say.
  public internal(set) var timeout: Duration?
}

/// Puts a request's header fields together and judges them, so that only calls of gRPC go on.
struct RequestHeadReader {
  /// Why a request is not a call.
  enum Refusal {
    /// Not gRPC: answered in HTTP's own terms.
    case http(status: StaticString)
    /// gRPC, but wrong.
    case status(Status)
  }

  private(set) var head = RequestHead()
  private var isPost = false
  private var hasContentType = false
  private var isGRPC = false
  private var acceptsTrailers = false
  private var refusal: Status?

  mutating func receive(
    name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, _ interner: inout HeaderInterner
  ) {
    if name.first == UInt8(ascii: ":") {
      if name.equals(":path") {
        head.path = interner.text(name: name, value: value)
      } else if name.equals(":method") {
        isPost = value.equals("POST")
      } else if name.equals(":authority") {
        head.authority = interner.text(name: name, value: value)
      }
    } else if name.equals("content-type") {
      hasContentType = true
      isGRPC = HeaderFields.isGRPC(contentType: value)
    } else if name.equals("te") {
      acceptsTrailers = acceptsTrailers || value.equals("trailers")
    } else if name.starts(with: "grpc-") {
      receiveOwn(name: name, value: value, &interner)
    } else {
      receiveCustom(name: name, value: value, &interner)
    }
  }

  private mutating func receiveOwn(
    name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, _ interner: inout HeaderInterner
  ) {
    if name.equals("grpc-timeout") {
      head.timeout = Timeout.parse(value)
      if head.timeout == nil {
        refusal = Status(
          .invalidArgument, "grpc-timeout is 1 to 8 digits and one of the units H M S m u n")
      }
    } else if name.equals("grpc-encoding") {
      guard !value.equals("identity") else { return }
      refusal = Status(
        .unimplemented, "messages are accepted uncompressed only (grpc-encoding: identity)")
    } else if !name.equals("grpc-accept-encoding"), !name.equals("grpc-message-type") {
      receiveCustom(name: name, value: value, &interner)
    }
  }

  private mutating func receiveCustom(
    name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, _ interner: inout HeaderInterner
  ) {
    if !HeaderFields.append(name: name, value: value, to: &head.metadata, &interner) {
      let key = String(decoding: name, as: UTF8.self)
      refusal = Status(.invalidArgument, "metadata '\(key)' is not base64")
    }
  }

  /// The answer to a request that is not a call; nil for one that is.
  func refused() -> Refusal? {
    guard isPost else { return .http(status: "405") }
    guard hasContentType, isGRPC else { return .http(status: "415") }
    guard acceptsTrailers else {
      return .status(Status(.invalidArgument, "gRPC needs the header te: trailers"))
    }
    if let refusal { return .status(refusal) }
    guard head.path.utf8.first == UInt8(ascii: "/") else {
      return .status(Status(.unimplemented, "a method is named /package.Service/Method"))
    }
    return nil
  }
}
