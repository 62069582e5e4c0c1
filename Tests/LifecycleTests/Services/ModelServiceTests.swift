// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import RPCServer
import RPCTransport
import Store
import SwiftProtobuf
import Testing

@testable import Lifecycle

@Suite struct ModelServiceTests {
  private let fixture: ControlPlaneFixture
  private let name: QualifiedName

  /// A model with two versions, published without a training.
  init() throws {
    fixture = try ControlPlaneFixture()
    name = try QualifiedName(parsing: "vision/net", defaultTeam: nil)
    for seed in [1, 2] as [UInt64] {
      _ = try fixture.store.publish(
        fixture.store.stageVersion(), as: name,
        manifest: ModelManifest(
          plugin: ResourceName(literal: "neural-network"), pluginVersion: "1", pluginDigest: nil,
          configuration: "{}", seed: seed, inputs: [], outputs: [], artifacts: []),
        audit: AuditRecord(created: Date(), createdBy: "ann"))
    }
  }

  private var models: ModelService { fixture.controlPlane.models }

  private func deploy(
    _ version: Int64, aliases: [String] = [], team: String = "vision"
  ) async throws -> Massif_V1_ModelVersion {
    try await models.deploy(
      .with {
        $0.name = "vision/net"
        $0.version = version
        $0.aliases = aliases
      }, ControlPlaneFixture.context(team: team))
  }

  private func undeploy(_ version: Int64) async throws -> Massif_V1_ModelVersion {
    try await models.undeploy(
      .with {
        $0.name = "net"
        $0.version = version
      }, ControlPlaneFixture.context())
  }

  private var loaded: [Int64] { fixture.server.loaded.map(\.version).sorted() }

  @Test func deploysTheNewest() async throws {
    let version = try await deploy(0, aliases: ["production"])
    #expect(version.version == 2)
    #expect(version.servingState == .ready)
    #expect(loaded == [2])
    #expect(try fixture.store.deployments().map(\.version) == [2])
    let model = try await models.get(.with { $0.name = "net" }, ControlPlaneFixture.context())
    #expect(model.aliases == ["production": 2])
    #expect(model.versions.map(\.servingState) == [.unloaded, .ready])
  }

  @Test func undeploysOneOrAll() async throws {
    _ = try await deploy(1)
    _ = try await deploy(2)
    #expect(try await undeploy(1).servingState == .unloaded)
    #expect(loaded == [2])
    _ = try await deploy(1)
    #expect(try await undeploy(0).version == 2)
    #expect(loaded.isEmpty)
    #expect(try fixture.store.deployments().isEmpty)
    #expect(await failure { try await undeploy(0) }?.code == .failedPrecondition)
  }

  @Test func deploysNothingThatDoesNotLoad() async throws {
    fixture.server.refuse()
    let error = await failure { try await deploy(1, aliases: ["production"]) }
    #expect(error?.code == .resourceExhausted)
    #expect(try fixture.store.deployments().isEmpty)
    #expect(try fixture.store.model(name)?.aliases.isEmpty == true)
  }

  @Test func movesAliasesToWhatIsLoaded() async throws {
    func set(_ alias: String, _ version: Int64) async throws -> Massif_V1_Model {
      try await models.setAlias(
        .with {
          $0.name = "net"
          $0.alias = alias
          $0.version = version
        }, ControlPlaneFixture.context())
    }
    #expect(await failure { try await set("canary", 1) }?.code == .failedPrecondition)
    _ = try await deploy(1)
    #expect(try await set("canary", 1).aliases == ["canary": 1])
    #expect(await failure { try await set("canary", 2) }?.code == .failedPrecondition)
    #expect(await failure { try await set("7", 1) }?.fields == ["alias"])
    #expect(await failure { try await set("a/b", 1) }?.fields == ["alias"])
    let request = Massif_V1_DeleteAliasRequest.with {
      $0.name = "net"
      $0.alias = "canary"
    }
    #expect(
      try await models.deleteAlias(request, ControlPlaneFixture.context()).aliases.isEmpty)
    let again = await failure {
      try await models.deleteAlias(request, ControlPlaneFixture.context())
    }
    #expect(again?.code == .notFound)
  }

  @Test func refusesWhatIsNotThere() async throws {
    #expect(await failure { try await deploy(3) }?.code == .notFound)
    #expect(await failure { try await deploy(-1) }?.fields == ["version"])
    #expect(await failure { try await deploy(1, aliases: ["x", ".."]) }?.fields == ["aliases[1]"])
    #expect(await failure { try await deploy(1, team: "nlp") }?.code == .notFound)
    let unknown = await failure {
      try await models.get(.with { $0.name = "other" }, ControlPlaneFixture.context())
    }
    #expect(unknown?.code == .notFound)
    #expect(loaded.isEmpty)
  }

  @Test func listsATeamsModels() async throws {
    let own = try await models.list(.init(), ControlPlaneFixture.context())
    #expect(own.models.map(\.name) == ["vision/net"])
    #expect(own.models[0].versions.map(\.version) == [1, 2])
    #expect(try await models.list(.init(), ControlPlaneFixture.context(team: "nlp")).models.isEmpty)
    let theirs = await failure {
      try await models.list(
        .with { $0.team = "vision" }, ControlPlaneFixture.context(team: "nlp"))
    }
    #expect(theirs?.code == .notFound)
  }

  @Test func makesNoVersionOfWhatNeedsTraining() async throws {
    let error = await failure {
      try await models.createVersion(
        .with {
          $0.name = "net"
          $0.plugin = "neural-network"
          $0.configuration = TestData.configuration(epochs: 1)
        }, ControlPlaneFixture.context())
    }
    #expect(error?.code == .failedPrecondition)
    let unknown = await failure {
      try await models.createVersion(
        .with {
          $0.name = "net"
          $0.plugin = "none"
        }, ControlPlaneFixture.context())
    }
    #expect(unknown?.code == .notFound)
    #expect(try fixture.store.model(name)?.versions.count == 2)
  }
}
