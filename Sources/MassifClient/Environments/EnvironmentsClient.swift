// SPDX-License-Identifier: Apache-2.0
internal import Foundation
public import MassifAPI
internal import RPCTransport
internal import SwiftProtobuf
internal import Synchronization

/// Environments for trainings (`massif.v1.Environments`).
public struct EnvironmentsClient: Sendable {
  private static let path = "/massif.v1.Environments/Connect"
  let caller: Caller

  /// Lends environments to a training job until it has ended.
  ///
  /// The job's configuration has `"environment": {"type": "remote", …}` with this specification and
  /// as many environments. It may still wait for a worker. A stream that is lost is opened again, and
  /// no step is lost or made twice. Environments that another process lent before are replaced: the
  /// learner gives up the episodes under way there and begins anew. Environments run one after the other, in the caller's task;
  /// cancelling it leaves the job waiting for somebody else until its limit.
  ///
  /// - Returns: the job as it ended.
  /// - Throws: `.invalidArgument` where the environments are not what the job asks for, or answer
  ///   something else; `.aborted` when another client lends environments to the same job;
  ///   `.unavailable` when the server cannot be reached again.
  public func lend(
    _ environments: sending [any Environment], specification: EnvironmentSpecification,
    to job: String
  ) async throws(MassifError) -> Job {
    var lender = EnvironmentLender(environments)
    var failures = 0
    while true {
      let failure: CallFailure
      let before = lender.answerCount
      do throws(CallFailure) {
        if let job = try await attend(&lender, specification, job) { return job }
        failure = CallFailure(
          error: MassifError(.unavailable, "the server ended the stream before the job ended"),
          processing: .possibly)
      } catch {
        failure = error
      }
      if Task.isCancelled { throw CallFailure.cancelled(processing: failure.processing).error }
      failures = lender.answerCount > before ? 1 : failures + 1
      try await pause(after: failure, failures)
    }
  }

  /// One stream, from its beginning to its end; nil where it ended without the job's end.
  private func attend(
    _ lender: inout EnvironmentLender, _ specification: EnvironmentSpecification, _ job: String
  ) async throws(CallFailure) -> Job? {
    let connection = try await caller.runner.channel.connection(deadline: nil)
    let attach = Massif_V1_EnvironmentMessage.with {
      $0.attach.job = job
      $0.attach.specification = .init(specification, count: lender.count)
      $0.attach.session = lender.session
    }
    // The connection's closure may not change what it captures, so the lender travels in a box.
    let box = LenderBox(lender)
    defer { lender = box.lender }
    return try await connection.bidirectional(caller.head(Self.path, nil, hasTimeout: false)) {
      send, receive in
      try await send(Caller.encode(attach))
      while let received = try await receive() {
        let message: Massif_V1_LearnerMessage = try Caller.decode(received)
        switch message.message {
        case .attached(let attached): box.lender.begin(session: attached.session)
        case .commands(let commands):
          let results = try await box.lender.perform(commands.commands)
          try await send(
            Caller.encode(
              Massif_V1_EnvironmentMessage.with { $0.results.results = results }))
        case .ended(let ended): return ended.job
        case nil: break
        }
      }
      return nil
    }
  }

  private func pause(after failure: CallFailure, _ failures: Int) async throws(MassifError) {
    let surroundings = caller.runner.surroundings
    switch caller.options.watchRetry.decision(
      after: failure, attempt: failures, isRepeatable: true, now: surroundings.now(),
      deadline: nil, random: surroundings.random())
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

/// The lender of one stream.
private final class LenderBox: @unchecked Sendable {
  // SAFETY: one task uses it, that of the stream, and after it that which made it.
  var lender: EnvironmentLender

  init(_ lender: EnvironmentLender) { self.lender = lender }
}
