// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import RPCServer
import RPCTransport
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

@testable import MassifClient

/// Servers that fail, come back, take too long; callers that give up.
struct FailureTests {
  private let authority: TestAuthority

  init() throws { authority = try TestAuthority() }

  private static func job(_ id: String, _ state: Massif_V1_JobState = .running) throws
    -> OutgoingMessage
  {
    let job = Massif_V1_Job.with {
      $0.id = id
      $0.state = state
    }
    return OutgoingMessage(try job.serializedBytes() as [UInt8])
  }

  private static func event(_ state: Massif_V1_JobState, epoch: UInt32) throws -> OutgoingMessage {
    let event = Massif_V1_JobEvent.with {
      $0.job.state = state
      $0.job.progress.epoch = epoch
    }
    return OutgoingMessage(try event.serializedBytes() as [UInt8])
  }

  @Test func repeatsWhatMayBeRepeated() async throws {
    let calls = Counter()
    var router = Router()
    router.register(unary: "/massif.v1.Jobs/GetJob", requires: .read) { _, _ in
      guard calls.next() > 2 else {
        throw RPCError.unavailable("loading", retryAfter: .milliseconds(1))
      }
      return try Self.job("1")
    }
    router.register(unary: "/massif.v1.Models/CreateVersion", requires: .write) { _, _ in
      calls.next()
      throw RPCError(.unavailable, "loading")
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      #expect(try await client.jobs.get("1").id == "1")
      #expect(calls.value == 3)
      let error = await #expect(throws: MassifError.self) {
        try await client.models.createVersion(of: "m", plugin: "identity")
      }
      #expect(error?.code == .unavailable)
      #expect(calls.value == 4)
    }
  }

  @Test func submitsAJobOnceHoweverOftenTheCallIsMade() async throws {
    let ids = Recorder<String>()
    var router = Router()
    router.register(unary: "/massif.v1.Jobs/SubmitJob", requires: .write) { message, _ in
      let request = try Massif_V1_SubmitJobRequest(serializedBytes: Array(message.bytes))
      ids.record(request.requestID)
      guard ids.events.count > 1 else { throw RPCError(.unavailable, "restarting") }
      return try Self.job("1", .queued)
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      _ = try await client.jobs.submit(.init())
      _ = try await client.jobs.submit(.init())
      #expect(ids.events.count == 3)
      #expect(ids.events[0] == ids.events[1])
      #expect(ids.events[1] != ids.events[2])
      #expect(ids.events.allSatisfy { $0.count == 32 })
    }
  }

  @Test func decodesTheServersDetails() async throws {
    var router = Router()
    router.register(unary: "/massif.v1.Jobs/GetJob", requires: .read) { _, _ in
      throw RPCError.invalidArgument("id", "expected a job's id, came \"\u{e9}\"")
    }
    router.register(unary: "/massif.v1.Jobs/CancelJob", requires: .read) { _, _ in
      throw RPCError(
        .resourceExhausted, "the queue is full", details: [.retryInfo(.milliseconds(1500))])
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      let invalid = await #expect(throws: MassifError.self) { try await client.jobs.get("é") }
      #expect(invalid?.code == .invalidArgument)
      #expect(
        invalid?.fieldViolations == [
          .init(field: "id", description: "expected a job's id, came \"é\"")
        ])
      let full = await #expect(throws: MassifError.self) { try await client.jobs.cancel("1") }
      #expect(full?.code == .resourceExhausted)
      #expect(full?.retryDelay == .milliseconds(1500))
      let unknown = await #expect(throws: MassifError.self) { try await client.plugins.list() }
      #expect(unknown?.code == .unimplemented)
    }
  }

  @Test func cancellingTheTaskCancelsTheCallOnTheServer() async throws {
    let events = Recorder<String>()
    var router = Router()
    router.register(unary: "/massif.v1.Jobs/GetJob", requires: .read) { _, _ in
      events.record("entered")
      do {
        try await Task.sleep(for: .seconds(60))
      } catch {
        events.record("cancelled")
        throw error
      }
      return try Self.job("1")
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      let task = Task { try await client.jobs.get("1") }
      try await events.wait(count: 1)
      task.cancel()
      let error = await #expect(throws: MassifError.self) { try await task.value }
      #expect(error?.code == .cancelled)
      try await events.wait { $0 == ["entered", "cancelled"] }
    }
  }

  @Test func theDeadlineReachesTheServerAndEndsTheCallHere() async throws {
    let remaining = Recorder<Duration>()
    var router = Router()
    router.register(unary: "/massif.v1.Jobs/GetJob", requires: .read) { _, context in
      if let deadline = context.deadline {
        remaining.record(ContinuousClock.now.duration(to: deadline))
      }
      try await Task.sleep(for: .seconds(60))
      return try Self.job("1")
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      // Connected first, so that the deadline is spent on the call.
      await #expect(throws: MassifError.self) { try await client.plugins.list() }
      let error = await #expect(throws: MassifError.self) {
        try await client.jobs.get("1", deadline: .now + .milliseconds(500))
      }
      #expect(error?.code == .deadlineExceeded)
      let seen = try await remaining.wait(count: 1)
      #expect(seen[0] <= .milliseconds(500))
    }
  }

  @Test func reconnectsAfterARestart() async throws {
    let authority = authority
    var router = Router()
    router.register(unary: "/massif.v1.Jobs/GetJob", requires: .read) { _, _ in
      try Self.job("1")
    }
    let (client, port) = try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      #expect(try await client.jobs.get("1").id == "1")
      return (client, server.address.port)
    }
    defer { client.close() }
    // Nobody listens: the call fails, and says what was tried.
    let error = await #expect(throws: MassifError.self) {
      try await client.jobs.get("1", deadline: .now + .milliseconds(50))
    }
    #expect(error?.code == .unavailable || error?.code == .deadlineExceeded)
    try await LoopbackServer.run(router, authority, port: port) { _ in
      let job = try await client.jobs.get("1")
      #expect(job.id == "1")
    }
  }

  @Test func aDrainingServerFailsNoCall() async throws {
    let gate = Gate()
    let entered = Recorder<Void>()
    var router = Router()
    router.register(unary: "/massif.v1.Jobs/GetJob", requires: .read) { _, _ in
      entered.record(())
      await gate.wait()
      return try Self.job("1")
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      async let open = client.jobs.get("1")
      try await entered.wait(count: 1)
      let down = Task { await server.server.shutdown(grace: .seconds(20)) }
      gate.open()
      #expect(try await open.id == "1")
      await down.value
    }
  }

  @Test func fallsBackToAServerThatIsUp() async throws {
    let authority = authority
    var router = Router()
    router.register(unary: "/massif.v1.Jobs/GetJob", requires: .read) { _, _ in
      try Self.job("up")
    }
    // The port of a server that has gone.
    let down = try await LoopbackServer.run(router, authority) { $0.address }
    try await LoopbackServer.run(router, authority) { server in
      for policy in LoadBalancing.allCases {
        let client = try MassifClient([down, server.address], authority) {
          $0.loadBalancing = policy
        }
        defer { client.close() }
        for _ in 0..<5 { #expect(try await client.jobs.get("1").id == "up") }
      }
    }
  }

  @Test func aWatchOutlivesItsStream() async throws {
    let streams = Counter()
    var router = Router()
    router.register(serverStreaming: "/massif.v1.Jobs/WatchJob", requires: .read) {
      _, _, responses in
      switch streams.next() {
      case 1:
        try await responses.write(Self.event(.running, epoch: 1))
        throw RPCError(.unavailable, "restarting")
      case 2: throw RPCError(.unavailable, "restarting")
      case 3: return  // Ends as if all were well, before the job has.
      default:
        try await responses.write(Self.event(.running, epoch: 2))
        try await responses.write(Self.event(.succeeded, epoch: 2))
      }
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      var states: [Massif_V1_JobState] = []
      for try await job in client.jobs.watch("1") { states.append(job.state) }
      #expect(states.last == .succeeded)
      #expect(streams.value == 4)
    }
  }

  @Test func aWatchEndsWithTheErrorThatWaitingDoesNotMend() async throws {
    var router = Router()
    router.register(serverStreaming: "/massif.v1.Jobs/WatchJob", requires: .read) { _, _, _ in
      throw RPCError.notFound(Resource(kind: "job", team: "vision", name: "1"))
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      let error = await #expect(throws: MassifError.self) {
        for try await _ in client.jobs.watch("1") {}
      }
      #expect(error?.code == .notFound)
    }
  }

  @Test func leavingAWatchEndsItOnTheServer() async throws {
    let events = Recorder<String>()
    var router = Router()
    router.register(serverStreaming: "/massif.v1.Jobs/WatchJob", requires: .read) {
      _, _, responses in
      do {
        try await responses.write(Self.event(.running, epoch: 1))
        try await Task.sleep(for: .seconds(60))
      } catch {
        events.record("ended")
        throw error
      }
    }
    try await LoopbackServer.run(router, authority) { server in
      let client = try server.client(authority)
      defer { client.close() }
      for try await _ in client.jobs.watch("1") { break }
      try await events.wait(count: 1)
    }
  }

  @Test func refusesAServerOfAnotherAuthority() async throws {
    let authority = authority
    try await LoopbackServer.run(Router(), authority) { server in
      let client = try MassifClient([server.address], try TestAuthority()) { $0.retry = .never }
      defer { client.close() }
      let error = await #expect(throws: MassifError.self) { try await client.jobs.list() }
      #expect(error?.code == .unavailable)
      #expect(error?.message.contains("certificate") == true)
    }
  }

  @Test func saysWhichCredentialsCannotBeRead() {
    let error = #expect(throws: MassifError.self) {
      try MassifClient(
        addresses: [ServerAddress(host: "localhost")],
        credentials: Credentials(directory: "/nonexistent", name: "nobody"))
    }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("nobody") == true || error?.message.contains("ca.pem") == true)
  }
}
