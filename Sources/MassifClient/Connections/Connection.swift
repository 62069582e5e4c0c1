// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// What a call says before its first message.
struct CallStart: Sendable {
  /// `/package.Service/Method`.
  var path: String
  var metadata = Metadata()
  var deadline: ContinuousClock.Instant?
}

/// A connection that carries calls.
///
/// Cancelling the calling task resets the call's stream.
///
/// A protocol, so that retries, balancing and reconnection are tested without a network.
protocol Connection: Sendable {
  /// One message out, one back.
  func unary(
    _ start: CallStart, _ message: OutgoingMessage
  ) async throws(CallFailure) -> ReceivedMessage

  /// One message out, any number back, each given to `receive` before the next is read.
  func serverStreaming(
    _ start: CallStart, _ message: OutgoingMessage,
    receive: @Sendable (ReceivedMessage) async throws -> Void
  ) async throws(CallFailure)

  /// Any number of messages out, which `produce` sends, one back.
  ///
  /// `send` returns when there is room for more, and throws when the call is over; the error that
  /// ended it is then thrown here.
  func clientStreaming(
    _ start: CallStart, produce: @Sendable (_ send: MessageSink) async throws -> Void
  ) async throws(CallFailure) -> ReceivedMessage

  /// Messages both ways, as `body` sends and receives them.
  ///
  /// `send` returns when there is room for more, `receive` the next message or nil after the last;
  /// both throw when the call is over otherwise. The call is over when `body` returns.
  func bidirectional<Result: Sendable>(
    _ start: CallStart,
    _ body: @Sendable (_ send: MessageSink, _ receive: MessageSource) async throws -> Result
  ) async throws(CallFailure) -> Result

  /// Closes it; calls in flight fail.
  func close()
}

typealias MessageSink = @Sendable (OutgoingMessage) async throws -> Void
typealias MessageSource = @Sendable () async throws -> ReceivedMessage?

/// Makes connections.
protocol Connector: Sendable {
  /// Connects, within the connector's own time limit.
  ///
  /// - Parameter unusable: called once, from any thread, when the connection takes no more calls:
  ///   it was closed, or the server sent GOAWAY.
  func connect(
    to address: ServerAddress, unusable: @escaping @Sendable () -> Void
  ) async throws(MassifError) -> any Connection

  /// Gives up what the connections need in common; they are closed before.
  func shutDown()
}

/// Time and chance, as the SDK's effects see them.
struct Surroundings: Sendable {
  var now: @Sendable () -> ContinuousClock.Instant
  /// Returns early, by throwing, when the task is cancelled.
  var sleep: @Sendable (Duration) async throws -> Void
  /// In `0..<1`.
  var random: @Sendable () -> Double

  static let system = Surroundings(
    now: { .now }, sleep: { try await Task.sleep(for: $0) }, random: { .random(in: 0..<1) })
}
