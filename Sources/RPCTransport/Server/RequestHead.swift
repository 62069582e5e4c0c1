// SPDX-License-Identifier: Apache-2.0

/// What a call says before its first message.
public struct RequestHead: Sendable {
  /// The method, as `/package.Service/Method`.
  public internal(set) var path = ""
  /// The host that the client means.
  public internal(set) var authority = ""
  /// The custom headers, `user-agent` among them.
  public internal(set) var metadata = Metadata()
  /// How long the client waits, from now, or nil where it did not say.
  public internal(set) var timeout: Duration?
  /// The encoding of the messages that the client compresses.
  public internal(set) var encoding = MessageEncoding.identity
  /// The encodings that the client accepts.
  public internal(set) var acceptedEncodings: MessageEncodings = []
}

/// What a request's header list comes to: only calls of gRPC go on.
enum RequestVerdict {
  case call(RequestHead)
  /// Not gRPC but a page that is asked for, by its path.
  case page(String)
  /// Not gRPC: answered in HTTP's own terms.
  case http(status: StaticString)
  /// gRPC, but wrong.
  case status(Status)
  /// gRPC, but in an encoding of messages that is not known here.
  case unknownEncoding

  /// Judges a header list, but for its `grpc-timeout`.
  init(_ headers: ReceivedHeaders) {
    var reader = RequestHeadReader()
    headers.forEach { name, value in reader.receive(name: name, value: value) }
    self = reader.verdict()
  }
}

/// Puts a request's header fields together.
private struct RequestHeadReader {
  private var head = RequestHead()
  private var isPost = false
  private var isGet = false
  private var isGRPC = false
  private var acceptsTrailers = false
  private var hasUnknownEncoding = false
  private var refusal: Status?

  mutating func receive(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    if name.first == UInt8(ascii: ":") {
      if name.equals(":path") {
        head.path = String(decoding: value, as: UTF8.self)
      } else if name.equals(":method") {
        isPost = value.equals("POST")
        isGet = value.equals("GET")
      } else if name.equals(":authority") {
        head.authority = String(decoding: value, as: UTF8.self)
      }
    } else if name.equals("content-type") {
      isGRPC = HeaderFields.isGRPC(contentType: value)
    } else if name.equals("te") {
      acceptsTrailers = acceptsTrailers || value.equals("trailers")
    } else if name.equals("grpc-encoding") {
      let encoding = MessageEncoding(header: value)
      hasUnknownEncoding = encoding == nil
      head.encoding = encoding ?? .identity
    } else if name.equals("grpc-accept-encoding") {
      head.acceptedEncodings.formUnion(MessageEncodings(header: value))
    } else if !name.equals("grpc-message-type"),
      !HeaderFields.append(name: name, value: value, to: &head.metadata)
    {
      let key = String(decoding: name, as: UTF8.self)
      refusal = Status(.invalidArgument, "metadata '\(key)' is not base64")
    }
  }

  func verdict() -> RequestVerdict {
    if isGet { return .page(head.path) }
    guard isPost else { return .http(status: "405") }
    guard isGRPC else { return .http(status: "415") }
    guard acceptsTrailers else {
      return .status(Status(.invalidArgument, "gRPC needs the header te: trailers"))
    }
    if let refusal { return .status(refusal) }
    if hasUnknownEncoding { return .unknownEncoding }
    guard head.path.utf8.first == UInt8(ascii: "/") else {
      return .status(Status(.unimplemented, "a method is named /package.Service/Method"))
    }
    return .call(head)
  }
}

/// Remembers what a connection's recent header lists came to, because its calls repeat them: a
/// repeated list costs a comparison and a few references, and no string is made.
struct RequestVerdictCache {
  private struct Slot {
    var bytes: [UInt8] = []
    var verdict: RequestVerdict
  }

  /// Slots, by the list's length: calls of different methods rarely evict each other.
  private static let slotCount = 8
  /// Longer lists are judged anew.
  private static let maxByteCount = 1024
  private var slots = [Slot?](repeating: nil, count: slotCount)

  /// What a header list comes to, with its timeout.
  mutating func verdict(_ headers: ReceivedHeaders) -> RequestVerdict {
    let verdict = verdictWithoutTimeout(headers)
    guard let timeout = headers.timeout, case .call(var head) = verdict else { return verdict }
    switch timeout {
    case .valid(let duration):
      head.timeout = duration
      return .call(head)
    case .malformed:
      return .status(
        Status(.invalidArgument, "grpc-timeout is 1 to 8 digits and one of the units H M S m u n"))
    }
  }

  private mutating func verdictWithoutTimeout(_ headers: ReceivedHeaders) -> RequestVerdict {
    let bytes = headers.bytes
    guard bytes.count <= RequestVerdictCache.maxByteCount else { return RequestVerdict(headers) }
    let index = bytes.count % RequestVerdictCache.slotCount
    if let slot = slots[index], bytes.equals(slot.bytes) { return slot.verdict }
    let verdict = RequestVerdict(headers)
    slots[index] = Slot(bytes: Array(bytes), verdict: verdict)
    return verdict
  }
}
