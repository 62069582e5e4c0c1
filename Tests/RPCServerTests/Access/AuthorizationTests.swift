// SPDX-License-Identifier: Apache-2.0
import RPCServer
import RPCTransport
import TestSupport
import Testing

/// Every method that is registered is asked about, whatever its kind.
struct AuthorizationTests {
  struct Allow: AccessPolicy {
    let permissions: Set<Permission>

    func authorize(
      _ principal: Principal, method: MethodName, requires permission: Permission
    ) -> Decision { permissions.contains(permission) ? .allow : .deny }

    func authorize(
      _ principal: Principal, _ permission: Permission, on resource: Resource
    ) -> Decision { .deny }
  }

  @Test func everyMethodIsRefusedOnItsHeadersWithoutThePermission() async throws {
    let router = Router.echo
    try await LoopbackServer.run(router, access: Allow(permissions: [])) { fixture in
      let client = try await fixture.connect()
      #expect(router.methods.count == 6)
      for method in router.methods {
        // No message is sent: the refusal does not wait for one.
        let outcome = await client.call(CallHead(path: method.name.path)).outcome()
        #expect(outcome.status.code == .permissionDenied)
        #expect(outcome.status.message.contains(method.name.path))
        #expect(outcome.status.message.contains("'\(method.permission)'"))
        #expect(!outcome.status.details.isEmpty)
      }
      // An interceptor behind the access check has seen none of them.
      #expect(fixture.ended.events.isEmpty)
    }
  }

  @Test(arguments: [Permission.infer, .read, .write])
  func permissionOpensTheMethodsThatNeedItAndNoOther(permission: Permission) async throws {
    let router = Router.echo
    try await LoopbackServer.run(router, access: Allow(permissions: [permission])) { fixture in
      let client = try await fixture.connect()
      for method in router.methods {
        let call = client.call(CallHead(path: method.name.path))
        try? await call.send(OutgoingMessage("x".utf8))
        call.finishSending()
        let code = await call.outcome().status.code
        #expect(code == (method.permission == permission ? .ok : .permissionDenied))
      }
    }
  }

  @Test func strangersOfAnotherTrustDomainAreRefused() async throws {
    let router = Router.echo
    try await LoopbackServer.run(router) { fixture in
      let client = try await fixture.connect(
        fixture.authority.client(uriNames: ["spiffe://elsewhere.test/team/admin/root"]))
      for method in router.methods {
        let outcome = await client.call(CallHead(path: method.name.path)).outcome()
        #expect(outcome.status.code == .permissionDenied)
      }
    }
  }

  @Test func handlerSeesItsCallerAndAsksAboutTheResource() async throws {
    var router = Router()
    router.register(unary: "/t.S/Model", requires: .read) { request, context in
      try context.require(.read, on: Resource(kind: "model", team: request.text, name: "m"))
      return OutgoingMessage(context.principal.name.utf8)
    }
    try await LoopbackServer.run(router) { fixture in
      let alice = try await fixture.connect(team: "vision", name: "alice")
      #expect(try await alice.echo("/t.S/Model", "vision") == "alice")
      let concealed = await alice.failure("/t.S/Model", "speech").status
      #expect(concealed.code == .notFound)
      #expect(concealed.message == "model speech/m does not exist")
      let root = try await fixture.connect(team: "admin", name: "root")
      #expect(try await root.echo("/t.S/Model", "speech") == "root")
    }
  }

  @Test func callsBeyondTheQuotaAreRefusedUntilOthersEnd() async throws {
    let held = HeldCalls()
    var router = Router.echo
    router.register(dataPlane: "/t.S/Held", requires: .infer, handler: held)
    try await LoopbackServer.run(router, quota: QuotaLedger(maxConcurrentCalls: 2)) { fixture in
      let clients = [try await fixture.connect(), try await fixture.connect()]
      async let first = clients[0].echo("/t.S/Held", "1")
      async let second = clients[1].echo("/t.S/Held", "2")
      let calls = try await held.calls.wait(count: 2)
      let refused = await clients[0].failure("/t.Echo/Inline").status
      #expect(refused.code == .resourceExhausted)
      #expect(!refused.details.isEmpty)
      let bob = try await fixture.connect(name: "bob")
      #expect(try await bob.echo("/t.Echo/Inline") == "hello")
      for call in calls { call.succeed(OutgoingMessage(head: call.message.buffer)) }
      #expect(try await first == "1")
      #expect(try await second == "2")
      #expect(try await clients[0].echo("/t.Echo/Inline") == "hello")
    }
  }

  @Test func cancelledCallHoldsItsQuotaWhileTheHandlerHasIt() async throws {
    let held = HeldCalls()
    var router = Router.echo
    router.register(dataPlane: "/t.S/Held", requires: .infer, handler: held)
    try await LoopbackServer.run(router, quota: QuotaLedger(maxConcurrentCalls: 1)) { fixture in
      let client = try await fixture.connect()
      let call = client.call(CallHead(path: "/t.S/Held"))
      try await call.send(OutgoingMessage("x".utf8))
      call.finishSending()
      let handled = try await held.calls.wait(count: 1)
      call.cancel()
      _ = await call.outcome()
      #expect(await client.failure("/t.Echo/Inline").status.code == .resourceExhausted)
      handled[0].fail(RPCError(.cancelled, "nobody waits"))
      try await fixture.ended.wait(count: 1)
      #expect(try await client.echo("/t.Echo/Inline") == "hello")
    }
  }
}
