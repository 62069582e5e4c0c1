// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Foundation
internal import MassifClient
internal import ModelPlugins

/// The command `massif plugins register`.
struct PluginsRegisterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "register", abstract: "Send a shared object to the server and have it loaded.",
    discussion: """
      Takes the signature from FILE.manifest, which `massif plugins sign` writes. The plugin runs \
      inside of the server unless --isolated is given, so this is for administrators only.

      Examples:
        massif plugins register libmine.so --as admin
        massif plugins register libtheirs.so --isolated --as admin
      """)

  @Argument(help: "The plugin, a .so file.")
  var file: String

  @Flag(
    help: "Run it in a worker process without network and files, which may crash by itself.")
  var isolated = false

  @Option(
    help: ArgumentHelp(
      "Recorded requests and responses, JSON; this build and all later ones must answer so.",
      valueName: "file"))
  var golden: String?

  @OptionGroup var client: ClientOptions

  func run() async throws {
    let manifest = try signedManifest()
    let cases = try golden.map { (path) throws(CommandError) in try GoldenFile.read(path) } ?? []
    try await client.withClient { client, output in
      let plugin = try await client.plugins.register(
        file: file, signedManifest: manifest, isolation: isolated ? .isolated : .inProcess,
        golden: cases)
      output.show(plugin.json) {
        ["registered \(plugin.name) \(plugin.version), digest \(plugin.digest.prefix(12))"]
      }
    }
  }

  /// The signed manifest beside the library; empty when there is none, for the server to judge.
  private func signedManifest() throws(CommandError) -> [UInt8] {
    let path = "\(file).\(SignedPluginManifest.fileExtension)"
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    return Array(
      try TextFile.read(path, maxByteCount: SignedPluginManifest.maxByteCount).utf8)
  }
}
