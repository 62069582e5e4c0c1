// SPDX-License-Identifier: Apache-2.0
import Foundation
import MassifAPI
import ModelPlugins
import RPCServer
import RPCTransport
import Runtime
import Store
import SwiftProtobuf
import TestSupport
import Testing

@testable import Lifecycle

/// A new build beside the old one, models moved over or rolled back, builds retired.
@Suite struct PluginMoveTests {
  private let fixture: ControlPlaneFixture
  private var plugins: PluginService { fixture.controlPlane.plugins }

  init() throws {
    fixture = try ControlPlaneFixture { $0.allowsUnsignedPlugins = true }
  }

  /// Two builds of the C identity plugin: the same code, and a byte behind the sections that nothing
  /// reads.
  private func register(
    build: UInt8, golden: [Massif_V1_GoldenCase] = []
  ) async throws -> Massif_V1_Plugin {
    let path = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appending(path: "libIdentityC.so").path
    let file = try Array(Data(contentsOf: URL(filePath: path))) + [build]
    let requests: [Massif_V1_RegisterPluginRequest] = [
      .with {
        $0.header.byteCount = UInt64(file.count)
        $0.header.sha256 = TestData.sha256(file)
        $0.header.golden = golden
      },
      .with { $0.chunk = Data(file) },
    ]
    return try await plugins.register(
      Replay(requests), ControlPlaneFixture.context(team: "admins"))
  }

  private func deploy(_ name: String) async throws {
    let models = fixture.controlPlane.models
    _ = try await models.createVersion(
      .with {
        $0.name = name
        $0.plugin = "identity"
        $0.configuration = #"{"datatype":"FP32","shape":[2]}"#
      }, ControlPlaneFixture.context())
    _ = try await models.deploy(.with { $0.name = name }, ControlPlaneFixture.context())
  }

  private func move(
    to digest: String = "", golden: [Massif_V1_GoldenCase] = []
  ) async throws -> Massif_V1_MovePluginResponse {
    try await plugins.move(
      .with {
        $0.name = "identity"
        $0.digest = digest
        $0.golden = golden
      }, ControlPlaneFixture.context(team: "admins"))
  }

  private func retire(_ digest: String = "") async throws -> Massif_V1_Plugin {
    try await plugins.retire(
      .with {
        $0.name = "identity"
        $0.digest = digest
      }, ControlPlaneFixture.context(team: "admins"))
  }

  private func golden(
    _ answer: [Float], model: String = "", tolerance: Double = 0
  ) -> Massif_V1_GoldenCase {
    func tensor(_ name: String, _ values: [Float]) -> Massif_V1_GoldenTensor {
      .with {
        $0.name = name
        $0.datatype = "FP32"
        $0.shape = [2]
        $0.contents = values.withUnsafeBytes { Data($0) }
      }
    }
    return .with {
      $0.model = model
      $0.configuration = #"{"datatype":"FP32","shape":[2]}"#
      $0.inputs = [tensor("INPUT0", [1, 2])]
      $0.outputs = [tensor("OUTPUT0", answer)]
      $0.tolerance = tolerance
    }
  }

  @Test func movesEveryDeployedVersionToTheNewestBuild() async throws {
    let old = try await register(build: 1)
    try await deploy("echo")
    try await deploy("other")
    let new = try await register(build: 2)
    #expect(old.digest != new.digest)
    let list = try await plugins.list(.init(), ControlPlaneFixture.context())
    #expect(
      list.plugins.filter { $0.name == "identity" }.map(\.digest) == [old.digest, new.digest])

    let response = try await move(golden: [golden([1, 2], model: "vision/echo")])
    #expect(response.plugin.digest == new.digest)
    #expect(response.moved.map(\.model) == ["vision/echo", "vision/other"])
    #expect(response.moved.allSatisfy { $0.fromDigest == old.digest && $0.version == 1 })
    #expect(fixture.server.replaced.map(\.build?.hexadecimal) == [new.digest, new.digest])
    let model = try QualifiedName(parsing: "vision/echo", defaultTeam: nil)
    #expect(try fixture.store.version(1, of: model)?.build?.hexadecimal == new.digest)
    // Nothing is left to move, and the way back is the same.
    #expect(try await move().moved.isEmpty)
    #expect(try await move(to: String(old.digest.prefix(10))).moved.count == 2)
  }

  @Test func aGoldenCaseThatFailsMovesNothing() async throws {
    _ = try await register(build: 1)
    try await deploy("echo")
    _ = try await register(build: 2)
    let error = await failure {
      try await move(golden: [golden([1, 3], model: "vision/echo")])
    }
    #expect(error?.code == .failedPrecondition)
    #expect(error?.message.contains("OUTPUT0 is not as recorded") == true)
    #expect(fixture.server.replaced.isEmpty)
    let near = await failure {
      try await move(golden: [golden([1.1, 2], model: "vision/echo", tolerance: 1e-3)])
    }
    #expect(near?.message.contains("element 0") == true)
    #expect(
      try await move(golden: [golden([1.0001, 2], model: "vision/echo", tolerance: 1e-3)])
        .moved.count == 1)
    // A case that was passed is asked of every later build.
    #expect(try fixture.store.goldenCases(of: ResourceName(literal: "identity")).count == 1)
  }

  @Test func whatHasMovedMovesBackWhenAnotherCannot() async throws {
    let old = try await register(build: 1)
    try await deploy("echo")
    try await deploy("other")
    _ = try await register(build: 2)
    fixture.server.refuseReplacements(after: 1)
    let error = await failure { try await move() }
    #expect(error?.code == .resourceExhausted)
    for name in ["vision/echo", "vision/other"] {
      let model = try QualifiedName(parsing: name, defaultTeam: nil)
      #expect(try fixture.store.version(1, of: model)?.build?.hexadecimal == old.digest)
    }
  }

  @Test func aBuildThatAnswersOtherwiseIsNotRegistered() async throws {
    let error = await failure { try await register(build: 1, golden: [golden([2, 1])]) }
    #expect(error?.code == .failedPrecondition)
    #expect(fixture.registry.plugin(named: "identity") == nil)
    #expect(try fixture.store.pluginRecords().isEmpty)
    _ = try await register(build: 1, golden: [golden([1, 2])])
    // What was kept with it is asked of the next build too.
    _ = try await register(build: 2)
    #expect(try fixture.store.goldenCases(of: ResourceName(literal: "identity")).count == 1)
  }

  @Test func aBuildInUseIsNotRetired() async throws {
    let old = try await register(build: 1)
    try await deploy("echo")
    let used = await failure { try await retire() }
    #expect(used?.code == .failedPrecondition)
    #expect(used?.message.contains("vision/echo version 1") == true)
    #expect(fixture.registry.plugin(digest: old.digest) != nil)

    let new = try await register(build: 2)
    #expect(await failure { try await retire() }?.code == .invalidArgument)
    #expect(await failure { try await retire("ffff") }?.code == .notFound)
    _ = try await move()
    #expect(try await retire(old.digest).digest == old.digest)
    #expect(fixture.registry.builds.map(\.digest).contains(old.digest) == false)
    #expect(try fixture.store.pluginRecords().map(\.digest.hexadecimal) == [new.digest])
    #expect(
      try FileManager.default.contentsOfDirectory(
        atPath: fixture.directory.path + "/store/plugins") == [new.digest])
    let builtIn = await failure {
      try await plugins.retire(
        .with { $0.name = "neural-network" }, ControlPlaneFixture.context(team: "admins"))
    }
    #expect(builtIn?.code == .failedPrecondition)
  }

  @Test func isForAdministrators() async throws {
    for error in [
      await failure {
        try await plugins.move(.with { $0.name = "identity" }, ControlPlaneFixture.context())
      },
      await failure {
        try await plugins.retire(.with { $0.name = "identity" }, ControlPlaneFixture.context())
      },
    ] { #expect(error?.code == .permissionDenied) }
  }
}
