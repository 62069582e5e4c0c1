// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf
import Testing

@testable import Lifecycle

@Suite struct ModelReportTests {
  private let fixture: ControlPlaneFixture

  /// A model whose version has weights, a report in both forms and a drawing.
  init() throws {
    fixture = try ControlPlaneFixture()
    let staged = try fixture.store.stageVersion()
    for (name, text) in [
      ("weights.safetensors", "secret"), ("report.txt", "three clusters\n"),
      ("report.json", "{}"), ("tree.svg", "<svg/>"),
    ] {
      let file = try #require(ResourceName(name))
      try Array(text.utf8).withUnsafeBytes { try staged.append($0, to: file) }
    }
    _ = try fixture.store.publish(
      staged, as: QualifiedName(parsing: "vision/net", defaultTeam: nil),
      manifest: ModelManifest(
        plugin: ResourceName(literal: "k-means"), pluginVersion: "1", pluginDigest: nil,
        configuration: "{}", seed: 1, inputs: [], outputs: [], artifacts: staged.artifacts()),
      audit: AuditRecord(created: Date(), createdBy: "ann"))
  }

  private func report(
    _ artifact: String, version: Int64 = 1, team: String = "vision"
  ) async throws -> Massif_V1_GetReportResponse {
    try await fixture.controlPlane.models.getReport(
      .with {
        $0.name = "vision/net"
        $0.version = version
        $0.artifact = artifact
      }, ControlPlaneFixture.context(team: team))
  }

  @Test("Reports and drawings are read, and named")
  func reads() async throws {
    let text = try await report("", version: 0)
    #expect(String(decoding: text.content, as: UTF8.self) == "three clusters\n")
    #expect(text.artifact == "report.txt")
    #expect(text.version == 1)
    #expect(text.available == ["report.json", "report.txt", "tree.svg"])
    #expect(try await report("tree.svg").content == Data("<svg/>".utf8))
  }

  @Test("Nothing else is, by nobody else")
  func refuses() async throws {
    func code(_ artifact: String, team: String = "vision") async -> Status.Code? {
      await failure { try await report(artifact, team: team) }?.code
    }
    #expect(await code("weights.safetensors") == .invalidArgument)
    #expect(await code("../report.txt") == .invalidArgument)
    #expect(await code("other.svg") == .notFound)
    #expect(await code("../../x.svg") == .notFound)
    #expect(await code("report.txt", team: "other") == .notFound)
  }
}
