// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Foundation
internal import ModelPlugins
internal import Runtime

/// The command `massif plugins sign`.
struct PluginsSignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign", abstract: "Sign a plugin, so that servers that trust the key load it.",
    discussion: """
      Loads the plugin to ask it for its name, version and ABI, so sign only what you have built. \
      Writes FILE.manifest: these three, the file's SHA-256, and an Ed25519 signature over them.

      Example:
        massif plugins sign libmine.so --key plugin-keys/vision.key
      """)

  @Argument(help: "The plugin, a .so file.")
  var file: String

  @Option(help: ArgumentHelp("The private key, from `massif plugins keygen`.", valueName: "file"))
  var key: String

  @Option(help: "text for people, json for programs.")
  var output: OutputFormat = .text

  func run() throws {
    let pem = Array(try TextFile.read(key, maxByteCount: 16 << 10).utf8)
    let signed: SignedPluginManifest
    do {
      let key = try PluginSigningKey(pem: pem)
      let registry = PluginRegistry(workers: try WorkerPool(threadCount: 1)) {
        if $0 != .debug { Console.note($1) }
      }
      let plugin = try registry.load(PluginImage(path: file))
      signed = try key.sign(PluginManifest(of: plugin))
    } catch let error as PluginError {
      throw CommandError("\(file) cannot be signed: \(error.message)")
    }
    let path = "\(file).\(SignedPluginManifest.fileExtension)"
    do {
      try signed.text.write(toFile: path, atomically: true, encoding: .utf8)
    } catch {
      throw CommandError("\(path) cannot be written", hint: "may you write there?")
    }
    let manifest = signed.manifest
    output.show([
      "file": .string(path), "name": .string(manifest.name), "version": .string(manifest.version),
      "abi_version": .string(manifest.abiVersion), "digest": .string(manifest.digest),
      "key": .string(signed.keyID),
    ]) {
      [
        "signed \(manifest.name) \(manifest.version), ABI \(manifest.abiVersion), digest"
          + " \(manifest.digest.prefix(12)), in \(path)"
      ]
    }
  }
}
