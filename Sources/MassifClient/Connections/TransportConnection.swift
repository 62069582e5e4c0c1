// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport

/// Calls over one connection of the transport, with its errors as the SDK's.
struct TransportConnection: Connection {
  private let connection: ClientConnection

  init(_ connection: ClientConnection) {
    self.connection = connection
  }

  func unary(
    _ start: CallStart, _ message: OutgoingMessage
  ) async throws(CallFailure) -> ReceivedMessage {
    do {
      return try await connection.unary(head(start), message).message
    } catch {
      throw CallFailure(error)
    }
  }

  func serverStreaming(
    _ start: CallStart, _ message: OutgoingMessage,
    receive: @Sendable (ReceivedMessage) async throws -> Void
  ) async throws(CallFailure) {
    let call = connection.call(head(start))
    do {
      try await call.send(message)
      call.finishSending()
      while let message = try await call.next() { try await receive(message) }
    } catch {
      call.cancel()
      throw CallFailure(any: error)
    }
  }

  func clientStreaming(
    _ start: CallStart, produce: @Sendable (_ send: MessageSink) async throws -> Void
  ) async throws(CallFailure) -> ReceivedMessage {
    let call = connection.call(head(start))
    do {
      do {
        try await produce { try await call.send($0) }
        call.finishSending()
      } catch let end as CallError where end.status.code == .ok {
        // The server had seen enough and has answered.
      }
      guard let answer = try await call.next() else {
        throw MassifError(.internal, "the server ended the call without an answer")
      }
      _ = try await call.next()
      return answer
    } catch {
      call.cancel()
      throw CallFailure(any: error)
    }
  }

  func bidirectional<Result: Sendable>(
    _ start: CallStart,
    _ body: @Sendable (_ send: MessageSink, _ receive: MessageSource) async throws -> Result
  ) async throws(CallFailure) -> Result {
    let call = connection.call(head(start))
    // What is over already stays as it ended.
    defer { call.cancel() }
    do {
      return try await body({ try await call.send($0) }, { try await call.next() })
    } catch {
      throw CallFailure(any: error)
    }
  }

  func close() {
    connection.close()
  }

  private func head(_ start: CallStart) -> CallHead {
    CallHead(
      path: start.path, metadata: start.metadata,
      timeout: start.deadline.map { max(ContinuousClock.now.duration(to: $0), .zero) })
  }
}

extension CallFailure {
  init(_ failure: CallError) {
    let status = failure.status
    let details = StatusDetails(status.details)
    let error = MassifError(
      MassifError.Code(rawValue: status.code.rawValue) ?? .unknown, status.message,
      fieldViolations: details.fieldViolations, retryDelay: details.retryDelay)
    self.init(
      error: error, processing: failure.isCertainlyNotProcessed ? .certainlyNot : .possibly)
  }

  /// An error that a closure of a streaming call threw: the call's own, or one of this client's.
  init(any error: any Error) {
    switch error {
    case let error as CallError: self.init(error)
    case let error as MassifError: self.init(error: error, processing: .possibly)
    case is CancellationError: self = .cancelled(processing: .possibly)
    default:
      self.init(
        error: MassifError(
          .internal, "the stream's data could not be read: \(error)", cause: error),
        processing: .possibly)
    }
  }
}
