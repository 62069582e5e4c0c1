// SPDX-License-Identifier: Apache-2.0
import Dispatch
import RPCServer
import RPCTransport
import Synchronization
import TestSupport

/// Answers a data-plane call with its request, on the loop.
struct InlineEcho: UnaryDataPlaneHandler {
  func handle(_ call: UnaryCall) {
    // The request's own buffer is lent to the response.
    call.succeed(OutgoingMessage(head: call.message.buffer))
  }
}

/// Answers a data-plane call with its request, on another thread.
struct OtherThreadEcho: UnaryDataPlaneHandler {
  func handle(_ call: UnaryCall) {
    DispatchQueue.global().async { call.succeed(OutgoingMessage(head: call.message.buffer)) }
  }
}

/// Keeps data-plane calls until the test completes them.
struct HeldCalls: UnaryDataPlaneHandler {
  let calls = Recorder<UnaryCall>()

  func handle(_ call: UnaryCall) { calls.record(call) }
}

/// Refuses a data-plane call.
struct Refuse: UnaryDataPlaneHandler {
  let error: RPCError

  func handle(_ call: UnaryCall) { call.fail(error) }
}

/// Suspends control-plane handlers until it is opened, and tells what becomes of them.
final class Gate: Sendable {
  enum Event: Sendable, Equatable {
    case entered
    case left
    case cancelled
  }

  let events = Recorder<Event>()
  private let opened = Recorder<Void>()

  func open() { opened.record(()) }

  func pass() async throws {
    events.record(.entered)
    do {
      try await opened.wait(.seconds(60), count: 1)
      events.record(.left)
    } catch {
      events.record(Task.isCancelled ? .cancelled : .left)
      throw error
    }
  }
}

extension Router {
  /// A method of each kind, all of which answer with what they get.
  static var echo: Router {
    var router = Router()
    router.register(dataPlane: "/t.Echo/Inline", requires: .infer, handler: InlineEcho())
    router.register(dataPlane: "/t.Echo/OtherThread", requires: .infer, handler: OtherThreadEcho())
    router.register(unary: "/t.Echo/Unary", requires: .read) { request, _ in
      OutgoingMessage(head: request.buffer)
    }
    router.register(serverStreaming: "/t.Echo/Letters", requires: .read) { request, _, responses in
      for letter in request.text { try await responses.write(OutgoingMessage(letter.utf8)) }
    }
    router.register(clientStreaming: "/t.Echo/Join", requires: .write) { requests, _ in
      var text = ""
      for try await request in requests { text += request.text }
      return OutgoingMessage(text.utf8)
    }
    router.register(bidirectional: "/t.Echo/Each", requires: .infer) { requests, _, responses in
      for try await request in requests {
        try await responses.write(OutgoingMessage(head: request.buffer))
      }
    }
    return router
  }
}
