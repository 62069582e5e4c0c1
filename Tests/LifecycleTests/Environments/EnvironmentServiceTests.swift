// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

@testable import Lifecycle

/// Training in the environments of a client: connections that are cut, clients that misbehave.
@Suite struct EnvironmentServiceTests {
  private static func submit(
    _ fixture: ControlPlaneFixture, _ environment: String = "", model: String = "walker"
  ) async throws -> String {
    let job = try await fixture.submit {
      $0.specification.model = model
      $0.specification.dataset = ""
      $0.specification.plugin = "q-learning"
      $0.specification.configuration = """
        {"environment": {"type": "remote", "count": 2, "actions": 2,
          "observation": {"type": "states", "count": 5}\(environment)},
         "learning_rate": 0.5, "epochs": 2, "episodes_per_epoch": 10}
        """
    }
    return job.id
  }

  private static func weights(
    _ fixture: ControlPlaneFixture, _ model: String
  ) throws -> String {
    let name = try QualifiedName(parsing: "vision/\(model)", defaultTeam: nil)
    let newest = try fixture.store.newestVersion(of: name)
    let version = try #require(newest)
    let file = version.manifest.artifacts.first {
      $0.name.description == "weights.safetensors"
    }
    return try #require(file).digest.hexadecimal
  }

  /// Lends until the job's end, over as many streams as it takes.
  private static func lend(
    _ client: CorridorClient, to job: String, _ fixture: ControlPlaneFixture
  ) async throws -> Massif_V1_Job {
    try await within(.seconds(60)) {
      while true {
        if let ended = try await client.attend(job, fixture.controlPlane.environments) {
          return ended
        }
      }
    }
  }

  @Test func learnsInTheEnvironmentsOfAClient() async throws {
    let fixture = try ControlPlaneFixture()
    let id = try await Self.submit(fixture)
    let client = CorridorClient()
    let job = try await Self.lend(client, to: id, fixture)
    #expect(job.state == .succeeded, "\(job.error)")
    #expect(client.episodeCount == 20)
    #expect(job.epochs.count == 2)
  }

  @Test func cutConnectionsLoseNothingAndDoubleNothing() async throws {
    let fixture = try ControlPlaneFixture()
    let whole = CorridorClient()
    _ = try await Self.lend(whole, to: try await Self.submit(fixture), fixture)
    // Before an answer is sent, and after it: the two moments that a client cannot tell apart.
    for isSentFirst in [false, true] {
      let model = isSentFirst ? "after" : "before"
      let id = try await Self.submit(fixture, model: model)
      let client = CorridorClient(cutAfter: 7, isSentFirst: isSentFirst)
      let job = try await Self.lend(client, to: id, fixture)
      #expect(job.state == .succeeded, "\(job.error)")
      #expect(client.streamCount > 3)
      #expect(client.actions == whole.actions)
      #expect(try Self.weights(fixture, model) == Self.weights(fixture, "walker"))
    }
  }

  @Test func otherEnvironmentsTakeThePlaceOfThoseThatWent() async throws {
    let fixture = try ControlPlaneFixture()
    let id = try await Self.submit(fixture)
    let first = CorridorClient(cutAfter: 7)
    let end = try await within(.seconds(60)) {
      try await first.attend(id, fixture.controlPlane.environments)
    }
    #expect(end == nil)
    // It knows nothing of the first one's steps, as a process that was started again.
    let second = CorridorClient()
    let job = try await Self.lend(second, to: id, fixture)
    #expect(job.state == .succeeded, "\(job.error)")
    // Episodes under way are begun anew and not counted twice.
    #expect(second.episodeCount >= 2)
    #expect(first.episodeCount + second.episodeCount <= 22)
    #expect(job.epochs.count == 2)
  }

  @Test func anAnswerThatIsLateFailsTheJob() async throws {
    let fixture = try ControlPlaneFixture()
    let id = try await Self.submit(fixture, #", "answer_timeout_seconds": 0.1"#)
    let job = try await Self.lend(CorridorClient(silentAfter: 3), to: id, fixture)
    #expect(job.state == .failed)
    #expect(job.error.contains("no answer within 0.1 s"), "\(job.error)")
    #expect(job.error.contains("environment 0, command"), "\(job.error)")
  }

  @Test func aJobDoesNotWaitForeverForAClient() async throws {
    let fixture = try ControlPlaneFixture()
    let id = try await Self.submit(fixture, #", "attach_timeout_seconds": 0.1"#)
    let job = try await fixture.end(of: id)
    #expect(job.state == .failed)
    #expect(job.error.contains("no client has lent its environments"), "\(job.error)")
  }

  @Test func aClientThatGoesForGoodFailsTheJob() async throws {
    let fixture = try ControlPlaneFixture()
    let id = try await Self.submit(fixture, #", "attach_timeout_seconds": 0.5"#)
    _ = try await within(.seconds(60)) {
      try await CorridorClient(cutAfter: 3).attend(id, fixture.controlPlane.environments)
    }
    let job = try await fixture.end(of: id)
    #expect(job.state == .failed)
    #expect(job.error.contains("no client has lent its environments for 0.5 s"), "\(job.error)")
  }

  @Test func anEpisodeThatNeverEndsFailsTheJobOrIsCutOff() async throws {
    let fixture = try ControlPlaneFixture()
    let limit = #", "max_episode_steps": 30"#
    let id = try await Self.submit(fixture, limit)
    let job = try await Self.lend(CorridorClient(isEndless: true), to: id, fixture)
    #expect(job.state == .failed)
    #expect(job.error.contains("has not ended after 30 steps"), "\(job.error)")
    let cut = try await Self.submit(fixture, limit + #", "at_step_limit": "truncate""#)
    let other = try await Self.lend(CorridorClient(isEndless: true), to: cut, fixture)
    #expect(other.state == .succeeded, "\(other.error)")
  }

  @Test func anEnvironmentThatFailsFailsTheJobWithItsReason() async throws {
    let fixture = try ControlPlaneFixture()
    let id = try await Self.submit(fixture)
    let job = try await Self.lend(CorridorClient(failsAfter: 4), to: id, fixture)
    #expect(job.state == .failed)
    #expect(job.error.contains("the floor gave way"), "\(job.error)")
  }

  @Test func aWrongAnswerEndsTheStreamAndNotTheJob() async throws {
    let fixture = try ControlPlaneFixture()
    for mistake in CorridorClient.Mistake.allCases {
      let model = "m\(mistake)"
      let id = try await Self.submit(fixture, model: model)
      let client = CorridorClient(mistake: mistake)
      let refusal = await failure {
        try await within(.seconds(60)) {
          try await client.attend(id, fixture.controlPlane.environments)
        }
      }
      #expect(refusal?.code == .invalidArgument, "\(mistake)")
      #expect(refusal?.fields.first?.hasPrefix("results.results[") == true, "\(mistake)")
      // The same client, without its mistake, goes on where it was.
      let job = try await Self.lend(client, to: id, fixture)
      #expect(job.state == .succeeded, "\(mistake): \(job.error)")
    }
  }

  @Test func otherEnvironmentsThanAskedForAreRefused() async throws {
    let fixture = try ControlPlaneFixture()
    let id = try await Self.submit(fixture)
    let refusal = await failure {
      try await CorridorClient(actions: 3).attend(id, fixture.controlPlane.environments)
    }
    #expect(refusal?.fields == ["attach.specification.actions"])
    let few = await failure {
      try await CorridorClient(count: 1).attend(id, fixture.controlPlane.environments)
    }
    #expect(few?.fields == ["attach.specification.count"])
  }

  @Test func aJobThatAsksForNoneSaysSo() async throws {
    let fixture = try ControlPlaneFixture()
    try await fixture.upload(TestData.file())
    let id = try await fixture.submit {
      $0.specification.configuration = TestData.configuration(epochs: 2000)
    }.id
    _ = try await fixture.watch(id) { $0.state == .running }
    let refusal = await failure {
      try await CorridorClient().attend(id, fixture.controlPlane.environments)
    }
    #expect(refusal?.code == .failedPrecondition)
    _ = try await fixture.jobs.cancel(.with { $0.id = id }, ControlPlaneFixture.context())
    _ = try await fixture.end(of: id)
  }

  @Test func aNewerStreamTakesOver() async throws {
    let fixture = try ControlPlaneFixture()
    let id = try await Self.submit(fixture)
    let older = Task { [environments = fixture.controlPlane.environments] in
      await failure { try await CorridorClient(silentAfter: 0).attend(id, environments) }
    }
    // Both at once: whichever attaches first is the older one.
    let newer = CorridorClient()
    let job = try await within(.seconds(60)) { () -> Massif_V1_Job in
      while true {
        do {
          if let job = try await newer.attend(id, fixture.controlPlane.environments) {
            return job
          }
        } catch let error as RPCError where error.code == .aborted {
          continue
        }
      }
    }
    #expect(job.state == .succeeded, "\(job.error)")
    let end = await older.value
    #expect(end == nil || end?.code == .aborted)
  }

  @Test func aCancelledJobTellsItsClient() async throws {
    let fixture = try ControlPlaneFixture()
    let id = try await Self.submit(fixture)
    let client = Task { [environments = fixture.controlPlane.environments] in
      try await CorridorClient(silentAfter: 5).attend(id, environments)
    }
    _ = try await fixture.watch(id) { $0.state == .running }
    _ = try await fixture.jobs.cancel(.with { $0.id = id }, ControlPlaneFixture.context())
    let job = try await within(.seconds(60)) { try await client.value }
    #expect(job?.state == .cancelled)
  }

  @Test func aStrangersJobIsNotFound() async throws {
    let fixture = try ControlPlaneFixture()
    let id = try await Self.submit(fixture)
    let refusal = await failure {
      try await CorridorClient(team: "nlp").attend(id, fixture.controlPlane.environments)
    }
    #expect(refusal?.code == .notFound)
    _ = try await fixture.jobs.cancel(.with { $0.id = id }, ControlPlaneFixture.context())
  }
}
