// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Runtime
import Store
import SwiftProtobuf
import Testing

@testable import Lifecycle

/// Versions in narrower types, made of a version that was trained.
@Suite struct QuantizationTests {
  private static func trained() async throws -> ControlPlaneFixture {
    let fixture = try ControlPlaneFixture()
    try await fixture.upload(TestData.file())
    let job = try await fixture.end(of: fixture.submit().id)
    try #require(job.state == .succeeded, "\(job.error)")
    return fixture
  }

  private static func quantize(
    _ fixture: ControlPlaneFixture, _ type: Massif_V1_QuantizationType, version: Int64 = 1,
    calibration: String = "", samples: UInt64 = 0, team: String = "vision",
    name: String = "vision/squares-net"
  ) async throws -> Massif_V1_ModelVersion {
    try await fixture.controlPlane.models.quantize(
      .with {
        $0.name = name
        $0.version = version
        $0.type = type
        $0.calibration = calibration
        $0.maxSamples = samples
      }, ControlPlaneFixture.context(team: team))
  }

  @Test func aVersionIsMadeInEachType() async throws {
    let fixture = try await Self.trained()
    let int8 = try await Self.quantize(fixture, .int8, calibration: "squares", samples: 48)
    #expect(int8.version == 2)
    #expect(int8.quantization.type == .int8)
    #expect(int8.quantization.sourceVersion == 1)
    #expect(int8.quantization.calibration == "vision/squares")
    #expect(int8.quantization.maxSamples == 48)
    #expect(int8.metrics.map(\.name) == ["calibration_agreement"])
    #expect(try #require(int8.metrics.first).value > 0.95)
    #expect(int8.inputs.map(\.name) == ["images"])
    #expect(int8.dataset == "vision/squares")

    let bf16 = try await Self.quantize(fixture, .bf16)
    #expect(bf16.version == 3)
    #expect(bf16.quantization.type == .bf16)
    #expect(bf16.quantization.calibration.isEmpty)
    #expect(bf16.metrics.isEmpty)

    let model = try await fixture.controlPlane.models.get(
      .with { $0.name = "squares-net" }, ControlPlaneFixture.context())
    let sizes = model.versions.map { version in
      version.artifacts.first { $0.name == "weights.safetensors" }?.byteCount ?? 0
    }
    #expect(!model.versions[0].hasQuantization)
    #expect(sizes[1] < sizes[0] && sizes[2] < sizes[0])
    // They are loaded as they are served, by the store's own record of them.
    let name = try QualifiedName(parsing: "vision/squares-net", defaultTeam: nil)
    let plugin = try #require(fixture.registry.plugin(named: "neural-network"))
    for version in [2, 3] as [Int64] {
      let record = try #require(try fixture.store.version(version, of: name))
      let artifacts = try fixture.store.artifacts(of: record).map {
        Artifact(name: $0.name.description, bytes: $0.file.bytes, owner: $0.file)
      }
      let served = try plugin.makeModel(
        artifacts: artifacts, configuration: record.manifest.configuration)
      #expect(served.outputs.map(\.name) == ["probabilities"])
    }
    let report = try await fixture.controlPlane.models.getReport(
      .with {
        $0.name = "squares-net"
        $0.version = 2
      }, ControlPlaneFixture.context())
    #expect(String(decoding: report.content, as: UTF8.self).contains("int8_dense"))
  }

  @Test func aVersionOfTheSameSourceAndSamplesHasTheSameFiles() async throws {
    let fixture = try await Self.trained()
    let first = try await Self.quantize(fixture, .int8, calibration: "squares")
    let second = try await Self.quantize(fixture, .int8, calibration: "squares")
    #expect(first.artifacts == second.artifacts)
    #expect(first.digest == second.digest)
  }

  @Test func whatCannotBeDoneIsRefused() async throws {
    let fixture = try await Self.trained()
    func code(_ body: () async throws -> Massif_V1_ModelVersion) async -> Status.Code? {
      await failure { try await body() }?.code
    }
    let missing = await failure { try await Self.quantize(fixture, .int8) }
    #expect(missing?.code == .invalidArgument)
    #expect(missing?.message.contains("calibration") == true)
    #expect(await code { try await Self.quantize(fixture, .unspecified) } == .invalidArgument)
    #expect(
      await code {
        try await Self.quantize(fixture, .int8, calibration: "squares", samples: 16385)
      } == .invalidArgument)
    #expect(
      await code { try await Self.quantize(fixture, .int8, calibration: "nothing") } == .notFound)
    #expect(await code { try await Self.quantize(fixture, .bf16, version: 9) } == .notFound)
    #expect(
      await code {
        try await Self.quantize(fixture, .int8, calibration: "sound/squares")
      } != nil)
    #expect(await code { try await Self.quantize(fixture, .bf16, team: "sound") } != nil)

    let other = try TestData.encode([
      ("train/images", .uint8, [4, 5, 5, 1], [UInt8](repeating: 1, count: 100)),
      ("train/labels", .uint8, [4], [0, 1, 0, 1]),
    ])
    try await fixture.upload(other, as: "larger")
    let unlike = await failure {
      try await Self.quantize(fixture, .int8, calibration: "larger")
    }
    #expect(unlike?.code == .invalidArgument)
    #expect(unlike?.message.contains("[4, 5, 5, 1]") == true, "\(unlike?.message ?? "")")

    let narrow = try await Self.quantize(fixture, .bf16)
    #expect(
      await code { try await Self.quantize(fixture, .int8, version: narrow.version) }
        == .failedPrecondition)
  }
}
