// SPDX-License-Identifier: Apache-2.0
import Logging
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf
import Synchronization

/// Brings together the workers that learn in environments and the clients who lend theirs, whichever
/// comes first.
///
/// A client may leave and come back: what its worker commanded waits here until it is answered.
final class EnvironmentHub: Sendable {
  /// What goes to a client.
  typealias Messages = AsyncThrowingStream<Massif_V1_LearnerMessage, any Error>

  /// A client's stream.
  struct Attachment: Sendable {
    fileprivate let number: UInt64
    let job: ResourceName
    let messages: Messages
  }

  private struct Client {
    var number: UInt64
    var offer: EnvironmentSpecification
    /// Whose commands its environments have carried out.
    var session: String
    var messages: Messages.Continuation
  }

  /// A worker, as far as it has come.
  private struct Learner {
    /// The job and how often it was begun.
    var name: String
    var channel: MessageChannel
    var ledger: EnvironmentLedger?
    var isPrepared = false
    /// How often other environments took the place of those before.
    var replacementCount = 0
    /// Whether it is to ask for environments anew.
    var isStartingOver = false

    var session: String { replacementCount == 0 ? name : "\(name).\(replacementCount)" }
  }

  private struct Meeting {
    var client: Client?
    var learner: Learner?
  }

  private struct State {
    var meetings: [ResourceName: Meeting] = [:]
    var nextNumber: UInt64 = 0
  }

  private let state = Mutex(State())
  private let log: Logger

  init(log: Logger) {
    self.log = log
  }

  // MARK: Workers

  /// A worker was started for a job.
  func workerStarted(_ job: ResourceName, attempt: Int, channel: MessageChannel) {
    state.withLock { state in
      state.meetings[job, default: Meeting()].learner = Learner(
        name: "\(job)-\(attempt)", channel: channel)
    }
  }

  /// The worker of a job asks for environments.
  func wanted(_ specification: Massif_V1_EnvironmentSpecification, by job: ResourceName) {
    change(job) { meeting in
      meeting.learner?.ledger = EnvironmentLedger(EnvironmentSpecification(specification))
      meeting.learner?.isStartingOver = false
      introduce(&meeting)
      if meeting.client == nil { announce(meeting, isThere: false) }
    }
  }

  /// The worker of a job has begun to train.
  func prepared(_ job: ResourceName) {
    change(job) { meeting in
      meeting.learner?.isPrepared = true
      if meeting.learner?.ledger == nil { dismiss(&meeting, Self.notWanted(job)) }
    }
  }

  /// The worker of a job commands.
  func commanded(_ commands: [Massif_V1_EnvironmentCommand], by job: ResourceName) {
    change(job) { meeting in
      // What was commanded to environments that are gone is nobody's.
      guard meeting.learner?.isStartingOver == false else { return }
      do {
        try meeting.learner?.ledger?.issue(commands)
      } catch {
        log.error("the worker of job \(job): \(error)")
        return
      }
      meeting.client?.messages.yield(.with { $0.commands.commands = commands })
    }
  }

  /// The worker of a job is gone; its client waits for what comes of the job.
  func workerEnded(_ job: ResourceName) {
    state.withLock { state in
      state.meetings[job]?.learner = nil
      if state.meetings[job]?.client == nil { state.meetings[job] = nil }
    }
  }

  // MARK: Clients

  /// A client lends environments to a job; a stream that it had before ends.
  ///
  /// - Parameter session: the last one that its environments were told of. Where it is not the present
  ///   one, the learner begins its episodes anew.
  /// - Throws: `.invalidArgument` for environments that are not those asked for,
  ///   `.failedPrecondition` for a job that asks for none.
  func attach(
    _ offer: EnvironmentSpecification, session: String, to job: ResourceName
  ) throws(RPCError) -> Attachment {
    let result = state.withLock { state -> Result<Attachment, RPCError> in
      var meeting = state.meetings[job] ?? Meeting()
      do throws(RPCError) {
        if let ledger = meeting.learner?.ledger {
          try ledger.check(offer)
        } else if let learner = meeting.learner, learner.isPrepared, !learner.isStartingOver {
          throw Self.notWanted(job)
        }
      } catch {
        return .failure(error)
      }
      dismiss(
        &meeting, RPCError(.aborted, "a newer stream lends environments to job \(job)"))
      state.nextNumber += 1
      let (messages, continuation) = Messages.makeStream()
      meeting.client = Client(
        number: state.nextNumber, offer: offer, session: session, messages: continuation)
      introduce(&meeting)
      state.meetings[job] = meeting
      return .success(Attachment(number: state.nextNumber, job: job, messages: messages))
    }
    return try result.get()
  }

  /// The environments of a client have answered.
  ///
  /// - Throws: `.invalidArgument` with the path of what is wrong.
  func answered(
    _ results: [Massif_V1_EnvironmentResult], over attachment: Attachment
  ) throws(RPCError) {
    let outcome = state.withLock { state -> Result<Void, RPCError> in
      guard var meeting = state.meetings[attachment.job],
        meeting.client?.number == attachment.number, var learner = meeting.learner,
        var ledger = learner.ledger
      else {
        // What comes after the learner's end, or over a stream that was taken over, is nobody's.
        return .success(())
      }
      do throws(RPCError) {
        try ledger.accept(results)
      } catch {
        return .failure(error)
      }
      learner.ledger = ledger
      meeting.learner = learner
      state.meetings[attachment.job] = meeting
      // Under the lock, so that results reach the worker in their order.
      learner.channel.send(
        Massif_V1_Worker_Command.with { $0.environmentResults.results = results })
      return .success(())
    }
    try outcome.get()
  }

  /// A client's stream has ended.
  func detach(_ attachment: Attachment) {
    change(attachment.job) { meeting in
      guard meeting.client?.number == attachment.number else { return }
      meeting.client = nil
      announce(meeting, isThere: false)
    }
  }

  /// Tells a client of the end of its job, which ends its stream.
  func tellEnd(_ job: Massif_V1_Job, over attachment: Attachment) {
    change(attachment.job) { meeting in
      guard let client = meeting.client, client.number == attachment.number else { return }
      client.messages.yield(.with { $0.ended.job = job })
      client.messages.finish()
    }
  }

  // MARK: Both

  private func change(_ job: ResourceName, _ body: (inout Meeting) -> Void) {
    state.withLock { state in
      guard var meeting = state.meetings[job] else { return }
      body(&meeting)
      let isEmpty = meeting.client == nil && meeting.learner == nil
      state.meetings[job] = isEmpty ? nil : meeting
    }
  }

  /// Tells both of each other once both are there, and the client what waits for an answer.
  private func introduce(_ meeting: inout Meeting) {
    guard let client = meeting.client, let learner = meeting.learner, let ledger = learner.ledger
    else { return }
    do throws(RPCError) {
      try ledger.check(client.offer)
    } catch {
      dismiss(&meeting, error)
      return
    }
    guard client.session == learner.session || !ledger.hasBegun else {
      startOver(&meeting)
      return
    }
    meeting.client?.session = learner.session
    client.messages.yield(.with { $0.attached.session = learner.session })
    if !ledger.unanswered.isEmpty {
      client.messages.yield(.with { $0.commands.commands = ledger.unanswered })
    }
    announce(meeting, isThere: true)
  }

  /// Tells the learner that the environments are others than those that it has commanded; it asks
  /// for environments anew then, and they are introduced.
  private func startOver(_ meeting: inout Meeting) {
    meeting.learner?.ledger = nil
    meeting.learner?.isStartingOver = true
    meeting.learner?.replacementCount += 1
    meeting.learner?.channel.send(
      Massif_V1_Worker_Command.with {
        $0.environmentsPresence.attached = true
        $0.environmentsPresence.replaced = true
      })
  }

  private func dismiss(_ meeting: inout Meeting, _ reason: RPCError) {
    guard let client = meeting.client else { return }
    meeting.client = nil
    client.messages.finish(throwing: reason)
    announce(meeting, isThere: false)
  }

  private func announce(_ meeting: Meeting, isThere: Bool) {
    guard let learner = meeting.learner, learner.ledger != nil else { return }
    learner.channel.send(
      Massif_V1_Worker_Command.with { $0.environmentsPresence.attached = isThere })
  }

  private static func notWanted(_ job: ResourceName) -> RPCError {
    RPCError(
      .failedPrecondition,
      "job \(job) asks for no environments; its configuration.environment.type is not \"remote\"")
  }
}
