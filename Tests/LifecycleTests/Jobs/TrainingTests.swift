// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf
import TestSupport
import Testing

@testable import Lifecycle

/// Jobs from submission to version, with the real plugin and the real worker code.
@Suite struct TrainingTests {
  @Test func trainsAVersion() async throws {
    let fixture = try ControlPlaneFixture()
    let dataset = try await fixture.upload(TestData.file())
    let submitted = try await fixture.submit()
    #expect([.queued, .preparing, .running].contains(submitted.state))
    let job = try await fixture.end(of: submitted.id)
    #expect(job.state == .succeeded, "\(job.error)")
    #expect(job.version == 1)
    #expect(job.attempts == 1)
    #expect(job.epochs.map(\.epoch) == [1, 2, 3])
    #expect(job.hasStarted && job.hasEnded)
    let names = Set(job.epochs[2].metrics.map(\.name))
    #expect(names.isSuperset(of: ["loss", "accuracy", "test_loss", "test_accuracy"]))

    let model = try await fixture.controlPlane.models.get(
      .with { $0.name = "squares-net" }, ControlPlaneFixture.context())
    let version = try #require(model.versions.first)
    #expect(version.job == submitted.id)
    #expect(version.datasetDigest == dataset.digest)
    #expect(version.plugin == "neural-network")
    #expect(version.seed == 42)
    #expect(version.metrics == job.epochs[2].metrics)
    #expect(version.inputs.map(\.name) == ["images"])
    #expect(version.outputs.map(\.name) == ["probabilities"])
    #expect(
      Set(version.artifacts.map(\.name)) == [
        "weights.safetensors", "model.json", "report.json", "report.txt", "graph.svg",
      ])
    let name = try QualifiedName(parsing: "vision/squares-net", defaultTeam: nil)
    let record = try #require(try fixture.store.version(1, of: name))
    #expect(try fixture.store.artifacts(of: record).count == 5)
    try await fixture.stop()
    #expect(
      try FileManager.default.contentsOfDirectory(
        atPath: fixture.directory.path + "/store/jobs"
      ).isEmpty)
  }

  @Test func showsProgressAndEveryEnd() async throws {
    let fixture = try ControlPlaneFixture()
    try await fixture.upload(TestData.file())
    let long = try await fixture.submit {
      $0.specification.configuration = TestData.configuration(epochs: 10_000)
    }
    let running = try await fixture.watch(long.id) { $0.hasProgress }
    #expect(running.progress.epochs == 10_000)
    #expect(running.progress.samples == 64)
    #expect(running.progress.epoch >= 1)
    _ = try await fixture.jobs.cancel(.with { $0.id = long.id }, ControlPlaneFixture.context())
    #expect(try await fixture.end(of: long.id).state == .cancelled)

    let short = try await fixture.submit()
    _ = try await fixture.end(of: short.id)
    // Who comes later sees the end at once.
    let again = try await fixture.end(of: short.id)
    #expect(again.epochs.count == 3)
  }

  /// A job that its server left in the middle, in a directory for the next one.
  private struct LeftJob {
    let directory: TemporaryDirectory
    let id: String
    let epochs: Int
  }

  /// Submits a training and stops the server after its second epoch.
  ///
  /// A training that was over before is tried again with more epochs: how long the tests' threads keep
  /// this one waiting is nothing to rely on.
  private func leaveInTheMiddle() async throws -> LeftJob {
    for epochs in [60, 300, 1500, 7500] {
      let fixture = try ControlPlaneFixture()
      try await fixture.upload(TestData.file())
      let job = try await fixture.submit {
        $0.specification.configuration = TestData.configuration(epochs: epochs)
      }
      _ = try await fixture.watch(job.id) { $0.epochs.count >= 2 }
      await fixture.controlPlane.shutdown(grace: .seconds(20))
      let isLeft = try !fixture.store.unendedJobs().isEmpty
      try fixture.store.close()
      if isLeft { return LeftJob(directory: fixture.directory, id: job.id, epochs: epochs) }
    }
    throw StoreError(.internal, "no training was long enough to be left in its middle")
  }

  @Test func goesOnToTheSameBits() async throws {
    let left = try await leaveInTheMiddle()
    let straight = try ControlPlaneFixture()
    try await straight.upload(TestData.file())
    let whole = try await straight.submit {
      $0.specification.configuration = TestData.configuration(epochs: left.epochs)
    }
    #expect(try await straight.end(of: whole.id).state == .succeeded)

    let second = try ControlPlaneFixture(directory: left.directory)
    let waiting = try #require(try second.store.unendedJobs().first)
    #expect(waiting.state == .queued)
    try second.controlPlane.startJobs()
    let ended = try await second.end(of: left.id)
    #expect(ended.state == .succeeded, "\(ended.error)")
    #expect(ended.attempts == 2)
    #expect(ended.resumedAfterEpoch >= 1)
    #expect(ended.epochs.map { Int($0.epoch) } == Array(1...left.epochs))

    let name = try QualifiedName(parsing: "vision/squares-net", defaultTeam: nil)
    let one = try #require(try straight.store.version(1, of: name))
    let other = try #require(try second.store.version(1, of: name))
    #expect(one.manifest.artifacts == other.manifest.artifacts)
    #expect(one.digest == other.digest)
  }

  @Test func startsAgainWithoutAUsableCheckpoint() async throws {
    let left = try await leaveInTheMiddle()
    let folder = left.directory.path + "/store/jobs/\(left.id)"
    for checkpoint in try FileManager.default.contentsOfDirectory(atPath: folder) {
      for file in try FileManager.default.contentsOfDirectory(atPath: folder + "/" + checkpoint) {
        let path = "\(folder)/\(checkpoint)/\(file)"
        try FileManager.default.removeItem(atPath: path)
        try Data("damaged".utf8).write(to: URL(fileURLWithPath: path))
      }
    }
    let second = try ControlPlaneFixture(directory: left.directory)
    try second.controlPlane.startJobs()
    let ended = try await second.end(of: left.id)
    #expect(ended.state == .succeeded, "\(ended.error)")
    #expect(ended.resumedAfterEpoch == 0)
    #expect(ended.epochs.map { Int($0.epoch) } == Array(1...left.epochs))
  }

  @Test func stopsWithinABatch() async throws {
    let fixture = try ControlPlaneFixture()
    try await fixture.upload(TestData.file())
    let job = try await fixture.submit {
      $0.specification.configuration = TestData.configuration(epochs: 10_000)
    }
    _ = try await fixture.watch(job.id) { $0.state == .running }
    let cancelling = try await fixture.jobs.cancel(
      .with { $0.id = job.id }, ControlPlaneFixture.context())
    #expect([.cancelling, .cancelled].contains(cancelling.state))
    #expect(try await fixture.end(of: job.id).state == .cancelled)
    // Once more changes nothing.
    let again = try await fixture.jobs.cancel(
      .with { $0.id = job.id }, ControlPlaneFixture.context())
    #expect(again.state == .cancelled)
    #expect(
      try fixture.store.newestVersion(
        of: QualifiedName(parsing: "vision/squares-net", defaultTeam: nil)) == nil)
  }

  @Test func cancelsWhatWaits() async throws {
    let launcher = GatedLauncher()
    let fixture = try ControlPlaneFixture(launcher: launcher) { $0.maxQueuedJobs = 1 }
    try await fixture.upload(TestData.file())
    let first = try await fixture.submit()
    let second = try await fixture.submit()
    let refused = await failure { try await fixture.submit() }
    #expect(refused?.code == .resourceExhausted)
    let cancelled = try await fixture.jobs.cancel(
      .with { $0.id = second.id }, ControlPlaneFixture.context())
    #expect(cancelled.state == .cancelled)
    // The place in the queue is free again.
    let third = try await fixture.submit()
    launcher.open()
    #expect(try await fixture.end(of: first.id).state == .succeeded)
    #expect(try await fixture.end(of: third.id).state == .succeeded)
    #expect(try await fixture.end(of: second.id).attempts == 0)
  }

  @Test func saysThatItsWorkerWasKilled() async throws {
    let launcher = ProcessLauncher(
      executable: "/bin/sh", arguments: ["sh", "-c", "kill -9 $$"])
    let fixture = try ControlPlaneFixture(launcher: launcher)
    try await fixture.upload(TestData.file())
    let job = try await fixture.end(of: fixture.submit().id)
    #expect(job.state == .failed)
    #expect(job.error.contains("killed by signal 9"))
  }

  @Test func killsAWorkerThatDoesNotStop() async throws {
    // It neither reads its socket nor ends when told.
    let launcher = ProcessLauncher(executable: "/bin/sleep", arguments: ["sleep", "600"])
    let fixture = try ControlPlaneFixture(launcher: launcher) {
      $0.cancellationGrace = .milliseconds(50)
    }
    try await fixture.upload(TestData.file())
    let job = try await fixture.submit()
    _ = try await fixture.watch(job.id) { $0.state == .preparing }
    _ = try await fixture.jobs.cancel(.with { $0.id = job.id }, ControlPlaneFixture.context())
    #expect(try await fixture.end(of: job.id).state == .cancelled)
  }

  @Test func saysThatNoWorkerStarts() async throws {
    let fixture = try ControlPlaneFixture(launcher: FailingLauncher())
    try await fixture.upload(TestData.file())
    let job = try await fixture.end(of: fixture.submit().id)
    #expect(job.state == .failed)
    #expect(job.error == "the server could not start a worker process")
  }

  @Test func refusesWhatAWorkerMakesUp() async throws {
    let launcher = ProcessLauncher(
      executable: "/bin/sh", arguments: ["sh", "-c", "printf 'nonsense' >&3; sleep 600"])
    let fixture = try ControlPlaneFixture(launcher: launcher)
    try await fixture.upload(TestData.file())
    let job = try await fixture.end(of: fixture.submit().id)
    #expect(job.state == .failed)
  }

  @Test func finishesACancellationAfterARestart() async throws {
    let fixture = try ControlPlaneFixture()
    var record = try JobRecord(
      id: ResourceName(literal: "job-1"), team: ResourceName(literal: "vision"),
      training: TrainingRecord(
        model: QualifiedName(parsing: "vision/m", defaultTeam: nil),
        dataset: QualifiedName(parsing: "vision/squares", defaultTeam: nil),
        datasetDigest: Digest(bytes: [UInt8](repeating: 0, count: 32)),
        plugin: ResourceName(literal: "neural-network"), pluginDigest: nil, configuration: "{}",
        seed: 0, threads: 0),
      requestID: "",
      audit: AuditRecord(created: Date(), createdBy: "spiffe://massif.test/team/vision/ann"))
    record = try fixture.store.insert(record).job
    record.state = .cancelling
    try fixture.store.update(record)
    try fixture.controlPlane.startJobs()
    #expect(try await fixture.end(of: "job-1").state == .cancelled)
  }
}
