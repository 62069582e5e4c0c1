// SPDX-License-Identifier: Apache-2.0
internal import MassifAPI
internal import SwiftProtobuf
internal import RPCTransport
internal import Synchronization

/// Follows a job over as many streams as it takes.
struct JobWatch: Sendable {
  let id: String
  let caller: Caller

  func run(_ deliver: @escaping @Sendable (Job) -> Void) async throws(MassifError) {
    var failures = 0
    while true {
      let seen = Mutex((any: false, final: false))
      let failure: CallFailure
      do throws(CallFailure) {
        try await stream { job in
          seen.withLock { $0 = (true, $0.final || job.state.isFinal) }
          deliver(job)
        }
        if seen.withLock({ $0.final }) { return }
        failure = CallFailure(
          error: MassifError(.unavailable, "the server ended the watch before the job ended"),
          processing: .possibly)
      } catch {
        failure = error
      }
      if seen.withLock({ $0.final }) { return }
      if Task.isCancelled { throw CallFailure.cancelled(processing: failure.processing).error }
      failures = seen.withLock { $0.any } ? 1 : failures + 1
      try await pause(after: failure, failures)
    }
  }

  private func stream(
    _ receive: @escaping @Sendable (Job) -> Void
  ) async throws(CallFailure) {
    let head = caller.head("/massif.v1.Jobs/WatchJob", nil, hasTimeout: false)
    let request: OutgoingMessage
    do throws(MassifError) {
      request = try Caller.encode(Massif_V1_WatchJobRequest.with { $0.id = id })
    } catch {
      throw CallFailure(error: error, processing: .certainlyNot)
    }
    let connection = try await caller.runner.channel.connection(deadline: nil)
    try await connection.serverStreaming(head, request) { message in
      let event: Massif_V1_JobEvent = try Caller.decode(message)
      receive(event.job)
    }
  }

  private func pause(after failure: CallFailure, _ failures: Int) async throws(MassifError) {
    let surroundings = caller.runner.surroundings
    switch caller.options.watchRetry.decision(
      after: failure, attempt: failures, isRepeatable: true, now: surroundings.now(), deadline: nil,
      random: surroundings.random())
    {
    case .giveUp: throw failure.error
    case .retry(let delay):
      do {
        try await surroundings.sleep(delay)
      } catch {
        throw CallFailure.cancelled(processing: failure.processing).error
      }
    }
  }
}
