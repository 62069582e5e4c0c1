// SPDX-License-Identifier: Apache-2.0

/// How a call ended, as gRPC carries it in trailers.
public struct Status: Sendable, Hashable, CustomStringConvertible {
  /// The codes of gRPC, by number (`grpc/statuscodes.md`).
  public enum Code: Int, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case ok = 0
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14
    case dataLoss = 15
    case unauthenticated = 16

    /// The name on the wire's side of the world, as `RESOURCE_EXHAUSTED`.
    public var description: String { Code.names[rawValue] }

    private static let names = [
      "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
      "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
      "UNAUTHENTICATED",
    ]
  }

  /// The code.
  public var code: Code
  /// What a person reads; percent-encoded on the wire.
  public var message: String
  /// A serialized `google.rpc.Status`, sent as `grpc-status-details-bin`; empty for none.
  public var details: [UInt8]

  /// Makes a status.
  public init(_ code: Code, _ message: String = "", details: [UInt8] = []) {
    self.code = code
    self.message = message
    self.details = details
  }

  /// The status of a call that succeeded.
  public static let ok = Status(.ok)

  /// The code's name and the message.
  public var description: String { message.isEmpty ? "\(code)" : "\(code): \(message)" }
}
