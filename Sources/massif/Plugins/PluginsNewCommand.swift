// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import CPluginTemplates
internal import Foundation

/// The command `massif plugins new`.
struct PluginsNewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Write a plugin that works, with its test and its build line.",
    discussion: """
      Makes the directory NAME with all that the plugin needs: `make` builds it, `make test` loads it as a server does \
      and asks it once.

      Example:
        massif plugins new --language c mine
        make -C mine test
      """)

  /// What a plugin is written in.
  enum Language: String, ExpressibleByArgument, CaseIterable {
    case c
    case swift
  }

  @Option(help: "c or swift.")
  var language: Language

  @Argument(help: "The plugin's name, and that of its directory.")
  var name: String

  @Option(help: "text for people, json for programs.")
  var output: OutputFormat = .text

  func validate() throws {
    // The grammar of names, without what the tools that build it would stumble over.
    guard let first = name.utf8.first, Self.isLetter(first), name.utf8.count <= 64,
      name.utf8.allSatisfy({ Self.isLetter($0) || Self.isDigit($0) || "-_".utf8.contains($0) })
    else {
      throw ValidationError(
        "NAME: expected up to 64 letters, digits, '-' and '_' with a letter first, came \"\(name)\""
      )
    }
  }

  func run() throws {
    let template =
      language == .c
      ? UnsafeBufferPointer(start: cpt_c_files, count: cpt_c_file_count)
      : UnsafeBufferPointer(start: cpt_swift_files, count: cpt_swift_file_count)
    guard !FileManager.default.fileExists(atPath: name) else {
      throw CommandError("\(name) is there already", hint: "choose another name or directory")
    }
    var paths: [String] = []
    for file in template {
      let path = "\(name)/\(fill(String(cString: file.path)))"
      let bytes = UnsafeRawBufferPointer(start: file.contents, count: file.size)
      do {
        try FileManager.default.createDirectory(
          at: URL(filePath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
        try fill(String(decoding: bytes, as: UTF8.self))
          .write(toFile: path, atomically: true, encoding: .utf8)
      } catch {
        throw CommandError("\(path) cannot be written", hint: "may you write there?")
      }
      paths.append(path)
    }
    output.show(["name": .string(name), "files": .array(paths.map(JSONValue.string))]) {
      paths + ["build and test it: make -C \(name) test"]
    }
  }

  private func fill(_ text: String) -> String {
    text.replacing("@NAME@", with: name).replacing("@MODULE@", with: module)
  }

  /// The name as a Swift module: `my-plugin` is `MyPlugin`.
  private var module: String {
    name.split(whereSeparator: { $0 == "-" || $0 == "_" })
      .map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}
