// SPDX-License-Identifier: Apache-2.0

/// What went wrong in the tensor runtime, said so that the person who wrote the network can act on it.
///
/// `operation` and `field` say where: a caller that builds a graph from a description joins its own
/// path with them, for example `configuration.layers[2].units` from layer 2 and the field `units`.
public struct RuntimeError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure; new kinds may be added.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    /// The stable name of the code.
    public let description: String

    private init(_ name: String) { description = name }

    /// A value is out of its range: a negative size, a rate above one, a batch over the maximum.
    public static let invalidArgument = Code("invalid argument")
    /// Two shapes or data types do not fit each other.
    public static let shapeMismatch = Code("shape mismatch")
    /// A size overflows or is above a limit; checked before memory is taken.
    public static let tooLarge = Code("too large")
    /// A name does not exist where one was expected.
    public static let notFound = Code("not found")
    /// A name exists already, or something is missing that the call needs first.
    public static let failedPrecondition = Code("failed precondition")
    /// Bytes that do not follow their format.
    public static let malformed = Code("malformed")
    /// Something that this machine or this version cannot do.
    public static let unsupported = Code("unsupported")
  }

  /// The kind of failure.
  public var code: Code
  /// What was expected and what came.
  public var message: String
  /// The operation that refused, as `conv2d` or `operation 4 (conv2d)`.
  public var operation: String?
  /// The argument that was refused, as `kernel` or `units`.
  public var field: String?
  /// What an inner layer reported, if the error was caused by another one.
  public var cause: String?

  /// Creates an error.
  public init(
    _ code: Code, _ message: String, operation: String? = nil, field: String? = nil,
    cause: String? = nil
  ) {
    self.code = code
    self.message = message
    self.operation = operation
    self.field = field
    self.cause = cause
  }

  /// One line: where, what was wrong, and why.
  public var description: String {
    let place = [operation, field].compactMap { $0 }.joined(separator: ".")
    let reason = cause.map { " (\($0))" } ?? ""
    return place.isEmpty ? "\(message)\(reason)" : "\(place): \(message)\(reason)"
  }
}
