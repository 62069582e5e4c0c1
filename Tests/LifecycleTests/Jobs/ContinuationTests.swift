// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import RPCServer
import RPCTransport
import Runtime
import Store
import SwiftProtobuf
import TestSupport
import Testing

@testable import Lifecycle

/// Jobs that have a version learn on from further samples, with the example classifier in C.
@Suite struct ContinuationTests {
  private static let plugin = Result { try CompiledPlugin(example: "classifier/classifier.c") }
  private static let configuration = #"{"hidden":8,"epochs":2,"batch_size":16}"#

  private func fixture() async throws -> ControlPlaneFixture {
    let fixture = try ControlPlaneFixture { $0.allowsUnsignedPlugins = true }
    let file = try Self.plugin.get().bytes
    let requests: [Massif_V1_RegisterPluginRequest] = [
      .with {
        $0.header.byteCount = UInt64(file.count)
        $0.header.sha256 = TestData.sha256(file)
      },
      .with { $0.chunk = Data(file) },
    ]
    _ = try await fixture.controlPlane.plugins.register(
      Replay(requests), ControlPlaneFixture.context(team: "admins"))
    try await fixture.upload(Self.rings(salt: 0), as: "first")
    try await fixture.upload(Self.rings(salt: 7), as: "second")
    try await fixture.upload(Self.rings(salt: 13), as: "third")
    return fixture
  }

  /// Points in two rings, one in the other.
  private static func rings(salt: Int, width: Int = 2) throws -> [UInt8] {
    func points(_ count: Int, _ salt: Int) -> (features: [UInt8], labels: [UInt8]) {
      var features: [Float] = []
      var labels: [Int32] = []
      for index in 0..<count {
        let angle = Double((index * 29 + salt) % 97) / 97 * 2 * Double.pi
        let radius = index % 2 == 0 ? 0.5 : 1.5
        features += [Float(radius * cos(angle)), Float(radius * sin(angle))]
        features += [Float](repeating: 0, count: width - 2)
        labels.append(Int32(index % 2))
      }
      return (features.withUnsafeBytes(Array.init), labels.withUnsafeBytes(Array.init))
    }
    let (train, test) = (points(64, salt), points(32, salt + 3))
    return try TestData.encode([
      ("train/features", .fp32, [64, width], train.features),
      ("train/labels", .int32, [64], train.labels),
      ("test/features", .fp32, [32, width], test.features),
      ("test/labels", .int32, [32], test.labels),
    ])
  }

  private func submit(
    _ fixture: ControlPlaneFixture,
    _ fill: (inout Massif_V1_TrainingSpecification) -> Void
  ) async throws -> Massif_V1_Job {
    try await fixture.submit { request in
      request.specification = .with { $0.model = "rings" }
      fill(&request.specification)
    }
  }

  /// Trains the first version.
  private func train(_ fixture: ControlPlaneFixture) async throws {
    let job = try await submit(fixture) {
      $0.dataset = "first"
      $0.plugin = "classifier-c"
      $0.configuration = Self.configuration
      $0.seed = 5
    }
    let ended = try await fixture.end(of: job.id)
    #expect(ended.state == .succeeded, "\(ended.error)")
  }

  private func learnOn(
    _ fixture: ControlPlaneFixture, from version: Int64, with dataset: String
  ) async throws -> Massif_V1_Job {
    let job = try await submit(fixture) {
      $0.dataset = dataset
      $0.continueVersion = version
    }
    #expect(job.specification.continueVersion == version)
    return try await fixture.end(of: job.id)
  }

  private func record(
    _ fixture: ControlPlaneFixture, _ version: Int64
  ) throws -> ModelVersionRecord {
    let name = try QualifiedName(parsing: "vision/rings", defaultTeam: nil)
    return try #require(try fixture.store.version(version, of: name))
  }

  @Test func aVersionLearnsOnAndSoDoesWhatBecameOfIt() async throws {
    let fixture = try await fixture()
    try await train(fixture)
    let first = try record(fixture, 1)
    #expect(
      first.manifest.artifacts.map(\.name.description) == ["weights.safetensors", "width.txt"])
    #expect(first.manifest.checkpoint?.count == 2)
    #expect(first.manifest.continuedVersion == nil)

    let job = try await learnOn(fixture, from: 1, with: "second")
    #expect(job.state == .succeeded, "\(job.error)")
    #expect(job.version == 2)
    #expect(job.specification.plugin == "classifier-c")
    #expect(job.specification.seed == 5)
    #expect(job.epochs.count == 1)
    let metrics = Set(job.epochs.flatMap { $0.metrics.map(\.name) })
    #expect(metrics == ["loss", "accuracy", "test_loss", "test_accuracy"])
    let second = try record(fixture, 2)
    #expect(second.manifest.continuedVersion == 1)
    #expect(second.manifest.dataset?.description == "vision/second")
    #expect(second.manifest.originDigest == first.manifest.datasetDigest)
    #expect(second.manifest.artifacts != first.manifest.artifacts)

    // A version that learned on learns on.
    #expect(try await learnOn(fixture, from: 2, with: "third").state == .succeeded)
    let third = try record(fixture, 3)
    #expect(third.manifest.originDigest == first.manifest.datasetDigest)

    // The same again, from the same version and samples, is the same to the bit.
    #expect(try await learnOn(fixture, from: 1, with: "second").state == .succeeded)
    #expect(try record(fixture, 4).manifest.artifacts == second.manifest.artifacts)
    #expect(try record(fixture, 4).manifest.checkpoint == second.manifest.checkpoint)

    let model = try await fixture.controlPlane.models.get(
      .with { $0.name = "rings" }, ControlPlaneFixture.context())
    #expect(model.versions.map(\.continuedVersion) == [0, 1, 2, 1])
    #expect(model.versions.allSatisfy { $0.continuable })
    try await fixture.stop()
  }

  @Test func saysWhatIsWrong() async throws {
    let fixture = try await fixture()
    try await train(fixture)
    let cases:
      [(field: String, change: @Sendable (inout Massif_V1_TrainingSpecification) -> Void)] = [
        ("specification.plugin", { $0.plugin = "classifier-c" }),
        ("specification.configuration", { $0.configuration = "{}" }),
        ("specification.seed", { $0.seed = 1 }),
        ("specification.dataset", { $0.dataset = "" }),
      ]
    for (field, change) in cases {
      let error = await failure {
        try await submit(fixture) {
          $0.dataset = "second"
          $0.continueVersion = 1
          change(&$0)
        }
      }
      #expect(error?.code == .invalidArgument, "\(field)")
      #expect(error?.fields == [field])
    }
    for version in [Int64(-1), 2] {
      let error = await failure {
        try await submit(fixture) {
          $0.dataset = "second"
          $0.continueVersion = version
        }
      }
      #expect(error?.code == .notFound, "\(version)")
    }
    // Samples of another width are the plugin's to refuse, when it sees them.
    try await fixture.upload(Self.rings(salt: 1, width: 3), as: "wide")
    let wide = try await learnOn(fixture, from: 1, with: "wide")
    #expect(wide.state == .failed)
    #expect(wide.error.contains("as wide as before"), "\(wide.error)")
    try await fixture.stop()
  }

  @Test func aVersionOfAPluginThatDoesNotOfferItCannot() async throws {
    let fixture = try ControlPlaneFixture()
    try await fixture.upload(TestData.file())
    let job = try await fixture.submit()
    #expect(try await fixture.end(of: job.id).state == .succeeded)
    let error = await failure {
      try await fixture.submit {
        $0.specification = .with {
          $0.model = "squares-net"
          $0.dataset = "squares"
          $0.continueVersion = 1
        }
      }
    }
    #expect(error?.code == .failedPrecondition)
    #expect(error?.message.contains("neural-network does not offer it") == true)
  }

  @Test func aDamagedCheckpointIsNotLearnedOnFrom() async throws {
    let fixture = try await fixture()
    try await train(fixture)
    let first = try record(fixture, 1)
    let file = try #require(first.manifest.checkpoint?.first)
    let path = fixture.store.path(of: file.name, in: first)
    #expect(chmod(path, 0o600) == 0)
    try Data("damaged".utf8).write(to: URL(filePath: path))
    let job = try await learnOn(fixture, from: 1, with: "second")
    #expect(job.state == .failed)
    #expect(job.error.contains("damaged"), "\(job.error)")
    try await fixture.stop()
  }
}
