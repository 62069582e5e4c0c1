// SPDX-License-Identifier: Apache-2.0
internal import CNghttp2

/// What a client says before its first message.
public struct CallHead: Sendable {
  /// The method, as `/package.Service/Method`.
  public var path: String
  /// The custom headers.
  public var metadata: Metadata
  /// How long the client waits; sent as `grpc-timeout`, and the call ends with DEADLINE_EXCEEDED
  /// when it has passed.
  ///
  /// Nil waits for ever.
  public var timeout: Duration?
  /// The longest message that is accepted, in bytes; nil for the connection's own limit.
  public var maxMessageSize: Int?
  /// The encoding of those messages that prefer compression; `.identity` compresses none.
  public var encoding = MessageEncoding.identity

  /// Makes the head of a call.
  public init(
    path: String, metadata: Metadata = Metadata(), timeout: Duration? = nil,
    maxMessageSize: Int? = nil
  ) {
    self.path = path
    self.metadata = metadata
    self.timeout = timeout
    self.maxMessageSize = maxMessageSize
  }
}

/// How a call ended, as the client saw it.
public struct CallOutcome: Sendable {
  /// What is known about the server's part.
  public enum Processing: Sendable {
    /// No handler of the server saw the call: it may be repeated whatever it does.
    case notProcessed
    /// The server may have acted on the call.
    case possiblyProcessed
  }

  /// The server's status, or the one that this end gives to what went wrong.
  public var status: Status
  /// The server's trailers.
  public var trailers: Metadata
  /// Whether the server may have acted on the call.
  public var processing: Processing

  /// Makes an outcome.
  public init(
    status: Status, trailers: Metadata = Metadata(), processing: Processing = .possiblyProcessed
  ) {
    self.status = status
    self.trailers = trailers
    self.processing = processing
  }
}

/// A call that did not end with OK.
public struct CallError: Error, Sendable, CustomStringConvertible {
  /// How it ended.
  public let outcome: CallOutcome

  /// Makes an error of an outcome that is not OK.
  public init(_ outcome: CallOutcome) { self.outcome = outcome }

  /// The status.
  public var status: Status { outcome.status }
  /// Whether no handler of the server saw the call, so that it may be repeated whatever it does.
  public var isCertainlyNotProcessed: Bool { outcome.processing == .notProcessed }
  /// The status, for a person.
  public var description: String { status.description }
}

extension Status {
  /// The status of a stream that was reset (grpc/PROTOCOL-HTTP2.md, "Errors").
  init(resetWith code: UInt32) {
    let name = String(cString: nghttp2_http2_strerror(code))
    switch nghttp2_error_code(rawValue: code) {
    case NGHTTP2_REFUSED_STREAM:
      self.init(.unavailable, "the server refused the call before it was processed (\(name))")
    case NGHTTP2_CANCEL: self.init(.cancelled, "the server cancelled the call (\(name))")
    case NGHTTP2_ENHANCE_YOUR_CALM:
      self.init(.resourceExhausted, "the server asks for fewer calls (\(name))")
    case NGHTTP2_INADEQUATE_SECURITY: self.init(.permissionDenied, "the server's TLS (\(name))")
    default: self.init(.internal, "the server reset the call (\(name))")
    }
  }

  /// The status of an HTTP answer without a `grpc-status` (grpc/http-grpc-status-mapping.md).
  init(httpStatus: Int) {
    let message = "the server answered with HTTP status \(httpStatus) and no grpc-status"
    switch httpStatus {
    case 400: self.init(.internal, message)
    case 401: self.init(.unauthenticated, message)
    case 403: self.init(.permissionDenied, message)
    case 404: self.init(.unimplemented, message)
    case 429, 502, 503, 504: self.init(.unavailable, message)
    default: self.init(.unknown, message)
    }
  }
}
