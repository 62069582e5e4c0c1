// SPDX-License-Identifier: Apache-2.0
import RPCTransport
import TestSupport
import Testing

@testable import RPCServer

/// What callers are told of errors, and what only the log is.
struct ErrorReportingTests {
  struct Secret: Error, CustomStringConvertible {
    var description: String { "cannot open /var/lib/secret at 0x7f12" }
  }

  static let refusal = RPCError.invalidArgument("inputs[0].shape", "[1,784] was expected")

  private static var failing: Router {
    var router = Router()
    router.register(
      dataPlane: "/t.S/RefusedInline", requires: .infer, handler: Refuse(error: refusal))
    router.register(
      dataPlane: "/t.S/InternalInline", requires: .infer,
      handler: Refuse(error: RPCError(.internal, "\(Secret())", cause: Secret())))
    router.register(unary: "/t.S/Refused", requires: .read) { _, _ in throw refusal }
    router.register(unary: "/t.S/Foreign", requires: .read) { _, _ in throw Secret() }
    router.register(unary: "/t.S/Internal", requires: .read) { _, _ in
      throw RPCError(.internal, "\(Secret())", details: [.errorInfo(reason: "s", metadata: [:])])
    }
    router.register(serverStreaming: "/t.S/Midway", requires: .read) { _, _, responses in
      try await responses.write(OutgoingMessage("one".utf8))
      throw refusal
    }
    return router
  }

  @Test(arguments: ["RefusedInline", "Refused"])
  func refusalIsTold(method: String) async throws {
    try await LoopbackServer.run(Self.failing) { fixture in
      let outcome = await (try fixture.connect()).failure("/t.S/\(method)")
      #expect(outcome.status == Self.refusal.status)
    }
  }

  @Test func refusalAfterMessagesIsTold() async throws {
    try await LoopbackServer.run(Self.failing) { fixture in
      let call = try await fixture.connect().call(CallHead(path: "/t.S/Midway"))
      try await call.send(OutgoingMessage(head: nil))
      call.finishSending()
      #expect(try await call.next()?.text == "one")
      #expect(await call.outcome().status == Self.refusal.status)
    }
  }

  @Test(arguments: ["InternalInline", "Foreign", "Internal"])
  func internalErrorIsAnIDForTheCallerAndAllElseForTheLog(method: String) async throws {
    try await LoopbackServer.run(Self.failing) { fixture in
      let status = await (try fixture.connect()).failure("/t.S/\(method)").status
      #expect(status.code == .internal)
      #expect(!status.message.contains("secret"))
      let details = String(decoding: status.details, as: UTF8.self)
      #expect(!details.contains("secret") && details.contains("ErrorInfo"))
      let id = try #require(status.message.split(separator: " ").last)
      #expect(details.contains(id))
      let lines = try await fixture.log.wait { $0.contains { $0.contains("internal error") } }
      let line = try #require(lines.first { $0.contains("internal error") })
      #expect(line.contains("id=\(id)"))
      #expect(line.contains("/var/lib/secret"))
      #expect(line.contains("method=/t.S/\(method)"))
    }
  }

  @Test func messageOverTheMethodsLimitIsRefusedAndTheConnectionGoesOn() async throws {
    var router = Router.echo
    router.register(
      dataPlane: "/t.S/Small", requires: .infer, maxMessageSize: 1000, handler: InlineEcho())
    router.register(unary: "/t.S/SmallUnary", requires: .read, maxMessageSize: 1000) {
      request, _ in OutgoingMessage(head: request.buffer)
    }
    try await LoopbackServer.run(router) { fixture in
      let client = try await fixture.connect()
      let (fits, over) = (String(repeating: "x", count: 1000), String(repeating: "x", count: 1001))
      for method in ["Small", "SmallUnary"] {
        #expect(try await client.echo("/t.S/\(method)", fits) == fits)
        #expect(await client.failure("/t.S/\(method)", over).status.code == .resourceExhausted)
        try await fixture.ended.wait { ended in
          ended.contains { $0 == .init(method: method, code: .resourceExhausted) }
        }
      }
      #expect(try await client.echo("/t.Echo/Inline", over) == over)
    }
  }

  @Test func messageOverTheServersLimitIsRefused() async throws {
    try await LoopbackServer.run(.echo, configure: { $0.connection.maxMessageSize = 2000 }) {
      let client = try await $0.connect()
      for method in ["Inline", "Unary", "Join"] {
        let outcome = await client.failure(
          "/t.Echo/\(method)", String(repeating: "x", count: 2001))
        #expect(outcome.status.code == .resourceExhausted)
      }
    }
  }
}
