// SPDX-License-Identifier: Apache-2.0

/// Why the transport could not do something: what went wrong, said for a person.
public struct TransportError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure, open for more kinds to come.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The name of the kind.
    public let description: String

    /// An argument or a configuration value cannot be used.
    public static let invalidArgument = Code(description: "invalidArgument")
    /// A system call failed.
    public static let system = Code(description: "system")
    /// A host name has no address.
    public static let nameResolution = Code(description: "nameResolution")
    /// A certificate, key or trust root cannot be loaded or does not fit.
    public static let certificate = Code(description: "certificate")
    /// The TLS handshake failed, or a record could not be read.
    public static let tls = Code(description: "tls")
    /// The peer broke HTTP/2.
    public static let protocolViolation = Code(description: "protocolViolation")
    /// The peer broke a limit of this end.
    public static let limitExceeded = Code(description: "limitExceeded")
    /// Something did not happen in its time.
    public static let timeout = Code(description: "timeout")
    /// The connection is closed, or closed while in use.
    public static let connectionClosed = Code(description: "connectionClosed")
    /// The task that waited was cancelled.
    public static let cancelled = Code(description: "cancelled")
  }

  /// The kind of failure.
  public let code: Code
  /// What went wrong and what was expected.
  public let message: String
  /// What caused it, if something else did.
  public let cause: (any Error)?

  /// Makes an error.
  public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.cause = cause
  }

  /// The code and the message, then the cause.
  public var description: String {
    "\(code): \(message)" + (cause.map { " (\($0))" } ?? "")
  }
}
