// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelPlugins
import Runtime
import Store
import TestSupport
import Testing

@testable import Lifecycle

/// The plugin directory of an operator.
@Suite struct PluginDiscoveryTests {
  private let directory: TemporaryDirectory
  private let key: PluginSigningKey
  private let keys: TrustedPluginKeys

  init() throws {
    directory = try TemporaryDirectory()
    key = try PluginSigningKey.generate()
    var keys = TrustedPluginKeys()
    try keys.add(pem: Array(key.publicPEM().utf8))
    self.keys = keys
  }

  private var library: String {
    URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appending(path: "libIdentityC.so").path
  }

  private func put(_ name: String, signed: Bool = true) throws {
    let path = "\(directory.path)/\(name)"
    try FileManager.default.copyItem(atPath: library, toPath: path)
    guard signed else { return }
    let registry = PluginRegistry(workers: try WorkerPool(threadCount: 1)) { _, _ in }
    let manifest = try PluginManifest(of: registry.load(PluginImage(path: path)))
    try key.sign(manifest).text.write(
      toFile: path + ".manifest", atomically: true, encoding: .utf8)
  }

  private func fixture(
    log: AuditLog = AuditLog(), in directory: TemporaryDirectory? = nil
  ) throws -> ControlPlaneFixture {
    let (keys, path) = (keys, self.directory.path)
    return try ControlPlaneFixture(directory: directory, log: log.logger) {
      $0.trustedPluginKeys = keys
      $0.pluginDirectory = path
    }
  }

  @Test func signedPluginsAreRegisteredOnce() async throws {
    try put("identity.so")
    try "no plugin".write(
      toFile: directory.path + "/readme.txt", atomically: true, encoding: .utf8)
    let log = AuditLog()
    let first = try fixture(log: log)
    try first.controlPlane.loadPlugins()
    let plugin = try #require(first.registry.plugin(named: "identity"))
    #expect(plugin.isolation == .inProcess)
    #expect(log.audits == ["plugin.registered"])
    #expect(try first.store.pluginRecords().map(\.digest.hexadecimal) == [plugin.digest])
    #expect(try first.store.plugins.contains(#require(Digest(hexadecimal: plugin.digest))))
    try await first.stop()

    let again = try fixture(log: log, in: first.directory)
    try again.controlPlane.loadPlugins()
    #expect(again.registry.plugin(named: "identity") != nil)
    #expect(log.audits == ["plugin.registered"])
  }

  @Test func whatIsNotSignedALinkOrNoPluginIsRefused() throws {
    try put("unsigned.so", signed: false)
    try FileManager.default.createSymbolicLink(
      atPath: directory.path + "/link.so", withDestinationPath: library)
    try "no ELF file".write(
      toFile: directory.path + "/text.so", atomically: true, encoding: .utf8)
    let log = AuditLog()
    let fixture = try fixture(log: log)
    try fixture.controlPlane.loadPlugins()
    #expect(fixture.registry.plugin(named: "identity") == nil)
    #expect(log.audits == Array(repeating: "plugin.refused", count: 3))
    #expect(try fixture.store.pluginRecords().isEmpty)
  }

  @Test func aDirectoryThatIsNotThereIsAMistake() throws {
    let fixture = try ControlPlaneFixture { $0.pluginDirectory = "/nowhere/at/all" }
    #expect(throws: PluginError.self) { try fixture.controlPlane.loadPlugins() }
  }
}
