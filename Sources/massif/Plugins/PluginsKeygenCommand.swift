// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import Foundation
internal import Glibc
internal import ModelPlugins

/// The command `massif plugins keygen`.
struct PluginsKeygenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keygen", abstract: "Make a key pair that signs plugins.",
    discussion: """
      Writes NAME.key, readable by you alone, and NAME.pem. The first signs plugins and stays where \
      they are built; the second goes to the servers that shall trust them (--plugin-keys). Neither \
      replaces a file that is there.

      Example:
        massif plugins keygen plugin-keys/vision
        massif serve --plugin-keys plugin-keys
      """)

  @Argument(help: ArgumentHelp("The files' name without .key and .pem.", valueName: "name"))
  var name: String

  @Option(help: "text for people, json for programs.")
  var output: OutputFormat = .text

  func run() throws {
    let key: PluginSigningKey
    do throws(PluginError) {
      key = try PluginSigningKey.generate()
      try NewFile.write(key.privatePEM(), to: "\(name).key", permissions: 0o600)
      try NewFile.write(key.publicPEM(), to: "\(name).pem", permissions: 0o644)
    } catch {
      throw CommandError(error.message)
    }
    output.show([
      "key": .string(key.id), "private": .string("\(name).key"), "public": .string("\(name).pem"),
    ]) {
      ["\(name).key signs, \(name).pem is for the servers; key \(key.id)"]
    }
  }
}

/// Writes files that were not there before.
enum NewFile {
  /// Writes a file, with its directory where that is missing.
  ///
  /// - Throws: `.alreadyExists` for a file that is there.
  static func write(_ text: String, to path: String, permissions: Int) throws(PluginError) {
    do {
      let directory = URL(filePath: path).deletingLastPathComponent()
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    } catch {
      throw PluginError(.permissionDenied, "the directory of \(path) cannot be made")
    }
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(permissions))
    guard file >= 0 else {
      let reason = errno == EEXIST ? "it is there already" : String(cString: strerror(errno))
      throw PluginError(.alreadyExists, "\(path) cannot be written: \(reason)")
    }
    defer { close(file) }
    let bytes = Array(text.utf8)
    guard Glibc.write(file, bytes, bytes.count) == bytes.count else {
      throw PluginError(.resourceExhausted, "\(path) cannot be written: the disk is full")
    }
  }
}
