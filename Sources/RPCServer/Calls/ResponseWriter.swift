// SPDX-License-Identifier: Apache-2.0
public import RPCTransport

/// Sends the responses of a streaming call.
public struct ResponseWriter: Sendable {
  private let send: @Sendable (OutgoingMessage) async throws -> Void

  /// Makes a writer that hands every response to `send`: the server's, or a test's of a handler.
  public init(_ send: @escaping @Sendable (OutgoingMessage) async throws -> Void) {
    self.send = send
  }

  /// Sends a response, and waits where the client does not keep up.
  ///
  /// - Throws: `.cancelled` or `.deadlineExceeded` where the call is over.
  public func write(_ response: OutgoingMessage) async throws {
    try await send(response)
  }
}
