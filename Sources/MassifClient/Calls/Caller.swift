// SPDX-License-Identifier: Apache-2.0
internal import RPCTransport
internal import SwiftProtobuf

/// Makes calls of all shapes, with the client's options: what the parts of the SDK stand on.
struct Caller: Sendable {
  let runner: CallRunner
  let options: MassifClient.Options

  func head(
    _ path: String, _ deadline: ContinuousClock.Instant?, hasTimeout: Bool = true
  ) -> CallStart {
    let timeout = hasTimeout ? options.timeout : nil
    return CallStart(
      path: path, metadata: options.metadata,
      deadline: deadline ?? timeout.map { runner.surroundings.now() + $0 })
  }

  func unary(
    _ path: String, _ message: OutgoingMessage, isRepeatable: Bool,
    deadline: ContinuousClock.Instant?
  ) async throws(MassifError) -> ReceivedMessage {
    let head = head(path, deadline)
    return try await runner.run(deadline: head.deadline, isRepeatable: isRepeatable) {
      (connection) async throws(CallFailure) in
      try await connection.unary(head, message)
    }
  }

  func unary<Request: Message, Response: Message>(
    _ path: String, _ request: Request, _: Response.Type, isRepeatable: Bool,
    deadline: ContinuousClock.Instant?
  ) async throws(MassifError) -> Response {
    let answer = try await unary(
      path, Self.encode(request), isRepeatable: isRepeatable, deadline: deadline)
    return try Self.decode(answer)
  }

  static func encode(_ message: some Message) throws(MassifError) -> OutgoingMessage {
    do {
      return OutgoingMessage(try message.serializedBytes() as [UInt8])
    } catch {
      throw MassifError(.internal, "the request cannot be encoded", cause: error)
    }
  }

  static func decode<Response: Message>(
    _ message: ReceivedMessage
  ) throws(MassifError) -> Response {
    do {
      return try Response(serializedBytes: [UInt8](message.bytes))
    } catch {
      throw MassifError(
        .internal, "the server's answer is not a \(Response.protoMessageName)", cause: error)
    }
  }

  /// All pages of a list, at most `maxPages` of them.
  func pages<Response: Message, Item>(
    _ page: (String) async throws(MassifError) -> Response,
    _ items: (Response) -> [Item], next: (Response) -> String
  ) async throws(MassifError) -> [Item] {
    var all: [Item] = []
    var token = ""
    for _ in 0..<Self.maxPages {
      let response = try await page(token)
      all += items(response)
      token = next(response)
      if token.isEmpty { return all }
    }
    throw MassifError(.resourceExhausted, "the list has more than \(Self.maxPages) pages")
  }

  /// A server that never stops giving a next page must not fill this process's memory.
  private static let maxPages = 10_000
}
