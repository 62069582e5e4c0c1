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

@Suite struct PluginServiceTests {
  private func register(
    _ fixture: ControlPlaneFixture, _ file: [UInt8], team: String = "admins"
  ) async throws -> Massif_V1_Plugin {
    let requests: [Massif_V1_RegisterPluginRequest] = [
      .with {
        $0.header.byteCount = UInt64(file.count)
        $0.header.sha256 = TestData.sha256(file)
      },
      .with { $0.chunk = Data(file) },
    ]
    return try await fixture.controlPlane.plugins.register(
      Replay(requests), ControlPlaneFixture.context(team: team))
  }

  @Test func isForAdministrators() async throws {
    let fixture = try ControlPlaneFixture { $0.allowsUnsignedPlugins = true }
    let error = await failure { try await register(fixture, [1, 2, 3], team: "vision") }
    #expect(error?.code == .permissionDenied)
  }

  @Test func loadsNothingUnsignedUnlessTold() async throws {
    let fixture = try ControlPlaneFixture()
    let error = await failure { try await register(fixture, [1, 2, 3]) }
    #expect(error?.code == .failedPrecondition)
    #expect(error?.message.contains("--allow-unsigned-plugins") == true)
  }

  @Test func keepsNothingThatIsNoPlugin() async throws {
    let fixture = try ControlPlaneFixture {
      $0.allowsUnsignedPlugins = true
      $0.maxPluginByteCount = 1000
    }
    let error = await failure { try await register(fixture, Array("no plugin".utf8)) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains(fixture.directory.path) == false)
    let large = await failure {
      try await register(fixture, [UInt8](repeating: 0, count: 1001))
    }
    #expect(large?.code == .resourceExhausted)
    #expect(try fixture.store.pluginRecords().isEmpty)
    for folder in ["plugins", "incoming"] {
      #expect(
        try FileManager.default.contentsOfDirectory(
          atPath: fixture.directory.path + "/store/" + folder
        ).isEmpty)
    }
  }

  @Test func describesWhatIsThere() async throws {
    let fixture = try ControlPlaneFixture()
    let plugins = fixture.controlPlane.plugins
    let list = try await plugins.list(.init(), ControlPlaneFixture.context())
    #expect(list.plugins.map(\.name) == ["neural-network"])
    #expect(list.plugins[0].builtIn)
    #expect(list.plugins[0].capabilities == ["inference", "training"])
    #expect(list.plugins[0].configurationSchema.isEmpty)
    let one = try await plugins.describe(
      .with { $0.name = "neural-network" }, ControlPlaneFixture.context())
    #expect(one.configurationSchema.contains("layers"))
    let unknown = await failure {
      try await plugins.describe(.with { $0.name = "none" }, ControlPlaneFixture.context())
    }
    #expect(unknown?.code == .notFound)
  }
}
