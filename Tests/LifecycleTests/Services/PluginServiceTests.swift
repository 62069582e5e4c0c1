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

@Suite struct PluginServiceTests {
  private func register(
    _ fixture: ControlPlaneFixture, _ file: [UInt8], team: String = "admins",
    manifest: String = ""
  ) async throws -> Massif_V1_Plugin {
    let requests: [Massif_V1_RegisterPluginRequest] = [
      .with {
        $0.header.byteCount = UInt64(file.count)
        $0.header.sha256 = TestData.sha256(file)
        $0.header.signedManifest = Data(manifest.utf8)
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
    #expect(list.plugins.contains { $0.name == "neural-network" })
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

  // MARK: Signatures

  /// The C identity plugin as the build made it, and a key that signs it.
  private struct Signed {
    let key: PluginSigningKey
    let file: [UInt8]
    let manifest: PluginManifest

    init() throws {
      key = try PluginSigningKey.generate()
      let path = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: "libIdentityC.so").path
      file = try Array(Data(contentsOf: URL(filePath: path)))
      let registry = PluginRegistry(workers: try WorkerPool(threadCount: 1)) { _, _ in }
      manifest = try PluginManifest(of: registry.load(PluginImage(path: path)))
    }

    func text(by other: PluginSigningKey? = nil) throws -> String {
      try (other ?? key).sign(manifest).text
    }

    func trust(_ configuration: inout LifecycleConfiguration) throws {
      try configuration.trustedPluginKeys.add(pem: Array(key.publicPEM().utf8))
    }
  }

  @Test func aSignedPluginIsLoadedAndComesBack() async throws {
    let signed = try Signed()
    var configuration = LifecycleConfiguration()
    try signed.trust(&configuration)
    let keys = configuration.trustedPluginKeys
    let fixture = try ControlPlaneFixture { $0.trustedPluginKeys = keys }
    let plugin = try await register(fixture, signed.file, manifest: try signed.text())
    #expect(plugin.name == "identity")
    #expect(plugin.signedBy == signed.key.id)
    #expect(plugin.isolation == .inProcess)
    try await fixture.stop()

    let again = try ControlPlaneFixture(directory: fixture.directory) {
      $0.trustedPluginKeys = keys
    }
    try again.controlPlane.loadPlugins()
    #expect(again.registry.plugin(named: "identity") != nil)
    try await again.stop()

    // A key that is trusted no more takes its plugins with it.
    let without = try ControlPlaneFixture(directory: fixture.directory)
    try without.controlPlane.loadPlugins()
    #expect(without.registry.plugin(named: "identity") == nil)
  }

  @Test func oneFlippedByteIsRefusedAndAudited() async throws {
    let signed = try Signed()
    var configuration = LifecycleConfiguration()
    try signed.trust(&configuration)
    let keys = configuration.trustedPluginKeys
    let log = AuditLog()
    let fixture = try ControlPlaneFixture(log: log.logger) { $0.trustedPluginKeys = keys }
    var flipped = signed.file
    flipped[flipped.count / 2] ^= 1
    let other = try signed.text(by: PluginSigningKey.generate())
    var cutManifest = try signed.text()
    cutManifest.removeLast(3)
    for (file, manifest, code) in [
      (flipped, try signed.text(), Status.Code.permissionDenied),
      (signed.file, other, .permissionDenied), (signed.file, cutManifest, .invalidArgument),
      (signed.file, "", .failedPrecondition),
    ] {
      let error = await failure { try await register(fixture, file, manifest: manifest) }
      #expect(error?.code == code)
    }
    #expect(log.audits == Array(repeating: "plugin.refused", count: 4))
    #expect(fixture.registry.plugin(named: "identity") == nil)
    #expect(try fixture.store.pluginRecords().isEmpty)
    #expect(
      try FileManager.default.contentsOfDirectory(
        atPath: fixture.directory.path + "/store/plugins"
      ).isEmpty)
    _ = try await register(fixture, signed.file, manifest: try signed.text())
    #expect(log.audits.last == "plugin.registered")
  }

  @Test func aFileThatChangedOnDiskIsNotLoaded() async throws {
    let signed = try Signed()
    var configuration = LifecycleConfiguration()
    try signed.trust(&configuration)
    let keys = configuration.trustedPluginKeys
    let fixture = try ControlPlaneFixture { $0.trustedPluginKeys = keys }
    let plugin = try await register(fixture, signed.file, manifest: try signed.text())
    try await fixture.stop()
    let path = "\(fixture.directory.path)/store/plugins/\(plugin.digest)"
    #expect(chmod(path, 0o700) == 0)
    var bytes = signed.file
    bytes[bytes.count - 1] ^= 1
    try Data(bytes).write(to: URL(filePath: path))
    let log = AuditLog()
    let again = try ControlPlaneFixture(directory: fixture.directory, log: log.logger) {
      $0.trustedPluginKeys = keys
    }
    try again.controlPlane.loadPlugins()
    #expect(again.registry.plugin(named: "identity") == nil)
    #expect(log.audits == ["plugin.refused"])
  }

  @Test func developmentModeLoadsUnsignedLoudly() async throws {
    let signed = try Signed()
    let log = AuditLog()
    let fixture = try ControlPlaneFixture(log: log.logger) { $0.allowsUnsignedPlugins = true }
    let plugin = try await register(fixture, signed.file)
    #expect(plugin.signedBy.isEmpty)
    #expect(log.audits == ["plugin.unsigned", "plugin.registered"])
  }
}
