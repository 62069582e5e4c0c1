// SPDX-License-Identifier: Apache-2.0
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf

/// `massif.v1.Environments`: clients lend their environments to trainings.
struct EnvironmentService: Sendable {
  let jobs: JobService
  let hub: EnvironmentHub

  /// Adds the service's method.
  func register(in router: inout Router) {
    router.register(
      conversation: "/massif.v1.Environments/Connect", requires: .write,
      maxMessageSize: EnvironmentLedger.maxByteCount
    ) { try await connect($0, $1, $2) }
  }

  /// Lends environments until the job has ended or the client goes.
  func connect<Requests: AsyncSequence & Sendable>(
    _ requests: Requests, _ context: CallContext,
    _ send: @escaping @Sendable (Massif_V1_LearnerMessage) async throws -> Void
  ) async throws where Requests.Element == Massif_V1_EnvironmentMessage {
    var first = requests.makeAsyncIterator()
    guard case .attach(let attach)? = try await first.next()?.message else {
      throw RPCError.invalidArgument("attach", "expected it in the first message")
    }
    let snapshot = try jobs.find(attach.job, .write, context, field: "attach.job")
    guard attach.hasSpecification else {
      throw RPCError.invalidArgument(
        "attach.specification", "expected what the environments are like")
    }
    if snapshot.record.state.hasEnded {
      try await send(.with { $0.ended.job = Massif_V1_Job(snapshot) })
      return
    }
    let job = snapshot.record.id
    let attachment = try hub.attach(
      EnvironmentSpecification(attach.specification), session: attach.session, to: job)
    defer { hub.detach(attachment) }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        for try await message in attachment.messages { try await send(message) }
        return true
      }
      group.addTask {
        for try await message in requests {
          guard case .results(let results)? = message.message else {
            throw RPCError.invalidArgument("results", "expected them after the first message")
          }
          try hub.answered(results.results, over: attachment)
        }
        return true
      }
      group.addTask {
        guard let changes = try jobs.jobs.watch(job) else { return false }
        for try await snapshot in changes where snapshot.record.state.hasEnded {
          hub.tellEnd(Massif_V1_Job(snapshot), over: attachment)
        }
        return false
      }
      for try await isOver in group where isOver { break }
      group.cancelAll()
    }
  }
}
